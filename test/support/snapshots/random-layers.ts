import type { TestMember } from './tar-bytes.ts';

/** Numbers that are the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1103515245) + 12345) & 0x7fffffff;
    return (this.#state >> 8) % limit;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}

/** Few names, so that layers and their members meet. */
export const NAMES = ['a', 'b', 'c', 'dir', '-x', '\xff'] as const;

export function randomPath(random: Random): string {
  return Array.from({ length: 1 + random.below(3) }, () => random.pick(NAMES)).join('/');
}

/** Members of a layer: they replace each other, go through links and leave parents out. Not every layer is valid. */
export function randomLayer(random: Random): TestMember[] {
  const members: TestMember[] = [];
  for (let left = 1 + random.below(14); left > 0; left--) members.push(randomMember(random, members));
  return members;
}

function randomMember(random: Random, earlier: readonly TestMember[]): TestMember {
  const name = randomPath(random);
  const facts = {
    mode: random.pick([0o644, 0o755, 0o4711, 0o1777, 0]),
    uid: random.pick([0, 1000, 4294967294]),
    gid: random.pick([0, 7]),
    seconds: random.pick([0, -5, 1_700_000_000, 9_000_000_000]),
    nanoseconds: random.pick([0, 123_456_789]),
  };
  const parent = name.slice(0, Math.max(0, name.lastIndexOf('/') + 1));
  const base = name.slice(parent.length);
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      return { type: 'directory', name, ...facts, xattrs: someXattrs(random) };
    case 3:
    case 4:
    case 5: {
      const content = Buffer.alloc(random.pick([0, 1, 511, 512, 513, 5000]), `${name} `);
      return { type: 'file', name, content, ...facts, xattrs: someXattrs(random) };
    }
    case 6:
      return { type: 'symlink', name, linkName: random.pick([...NAMES, '..', '/', '/dir', 'a/b']), ...facts };
    case 7:
      return { type: 'link', name, linkName: random.pick(earlier.map((member) => member.name).concat(name)) };
    case 8:
      return { type: random.pick(['character', 'block', 'fifo']), name, major: 1, minor: 3, ...facts };
    case 9:
    case 10:
      return { type: 'file', name: `${parent}.wh.${base}` };
    default:
      return { type: 'file', name: `${name}/.wh..wh..opq` };
  }
}

function someXattrs(random: Random): Map<string, Uint8Array> {
  const names = ['user.one', 'user.two', 'trusted.three', 'user.overlay.opaque', 'trusted.overlay.opaque'];
  const chosen = names.filter(() => random.below(6) === 0);
  return new Map(chosen.map((name) => [name, Buffer.from('y')]));
}

/** Changes a mounted tree; the same for the same tree and seed. What fails, fails everywhere. */
export type TreeAction = readonly string[];

export function randomActions(random: Random): TreeAction[] {
  return Array.from({ length: 1 + random.below(10) }, (): TreeAction => {
    const path = randomPath(random);
    const time = ['-d', '@1600000000'];
    return random.pick<TreeAction>([
      ['rm', '-rf', path],
      ['mkdir', '-p', path],
      ['cp', '--no-preserve=all', '--remove-destination', '/etc/hostname', path],
      ['mv', '-T', path, randomPath(random)],
      ['ln', '-sfT', 'a/b', path],
      ['ln', path, randomPath(random)],
      ['chmod', '-R', '700', path],
      ['chown', '-h', '5:6', path],
      ['touch', '-h', ...time, path],
      ['truncate', '-s', '100', path],
      ['setfattr', '-n', 'user.set', '-v', 'later', path],
    ]);
  });
}
