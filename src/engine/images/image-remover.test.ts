import { beforeEach, describe, expect, test } from 'bun:test';
import { digestOf } from '../../oci/digest.ts';
import { chainIds, withFreedLayers } from './freed-layers.ts';
import { ImageIndex, type ImageRows } from './image-index.ts';
import { ImageRemover, type ImageUser, type RemovalStep } from './image-remover.ts';

const A = `sha256:aa${'0'.repeat(62)}`;
const B = `sha256:ab${'0'.repeat(62)}`;
const CONFIG = JSON.stringify({
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [] },
});
const noRows: ImageRows = { apply() {}, images: () => [], names: () => [] };

let index: ImageIndex;
let remover: ImageRemover;
let users: ImageUser[];
let events: string[];
let mounted: Set<string>;

function add(id: string, tags: string[], digests: string[] = [], parent = ''): void {
  index.add({ id, configText: CONFIG, size: 1, parent, blobs: [], tags, digests });
}

/** Removes and gives images by id. */
function rm(ref: string, options = { force: false, noPrune: false }) {
  return remover.remove(ref, options).map(told);
}
const rmForce = (ref: string) => rm(ref, { force: true, noPrune: false });
const told = (step: RemovalStep) => ('deleted' in step ? { deleted: step.deleted.id } : step);

beforeEach(() => {
  users = [];
  events = [];
  mounted = new Set();
  index = new ImageIndex(noRows);
  remover = new ImageRemover({
    index,
    usersOf: () => users,
    mountedAt: (id) => (mounted.has(id) ? '/view' : undefined),
    events: {
      emit: (event) => void events.push(`${event.action} ${event.attributes.name}`),
      hold: () => () => {},
      subscribe: () => () => {},
    },
  });
});

describe('ImageIndex', () => {
  test('finds by name, by digest, by id and by prefix', () => {
    add(A, ['docker.io/library/x:latest', 'localhost:5000/y:1'], [`docker.io/library/x@${B}`]);
    add(B, []);
    for (const ref of ['x', 'x:latest', 'docker.io/x', 'localhost:5000/y:1', `x@${B}`, A, A.slice(7), 'aa']) {
      expect(index.find(ref)?.id).toBe(A);
    }
    expect(index.find('a')).toBeUndefined();
    expect(index.find('x:2')).toBeUndefined();
    expect(() => index.get('nope')).toThrow('No such image: nope:latest');
    expect(() => index.find('UPPER')).toThrow('must be lowercase');
    expect(index.get(A).repoTags).toEqual(['x:latest', 'localhost:5000/y:1']);
    add(A, ['docker.io/library/a:1', '127.0.0.1/z:1']);
    // By the whole name, as dockerd sorts them.
    expect(index.get(A).repoTags).toEqual(['127.0.0.1/z:1', 'a:1', 'x:latest', 'localhost:5000/y:1']);
  });

  test('a tag moves to the image that got it last', () => {
    add(A, ['docker.io/library/x:latest']);
    add(B, ['docker.io/library/x:latest']);
    expect(index.get('x').id).toBe(B);
    expect(index.get(A).repoTags).toEqual([]);
  });
});

describe('ImageRemover', () => {
  test('a name of several is only untagged; the last one deletes', () => {
    add(A, ['docker.io/library/x:1', 'docker.io/library/x:2']);
    expect(rm('x:1')).toEqual([{ untagged: 'x:1' }]);
    expect(rm('x:2')).toEqual([{ untagged: 'x:2' }, { deleted: A }]);
    expect(index.find(A)).toBeUndefined();
    expect(events).toEqual(['untag x:1', 'untag x:2', `delete ${A}`]);
  });

  test('digest names go with the last tag of their repository', () => {
    add(A, ['docker.io/library/x:1'], [`docker.io/library/x@${B}`]);
    expect(rm('x:1')).toEqual([{ untagged: 'x:1' }, { untagged: `x@${B}` }, { deleted: A }]);
  });

  test('by id: several names want force', () => {
    add(A, ['docker.io/library/x:1', 'docker.io/library/y:1']);
    expect(() => rm('aa')).toThrow('image is referenced in multiple repositories');
    expect(rmForce('aa')).toHaveLength(3);
  });

  test('containers are in the way', () => {
    add(A, ['docker.io/library/x:1']);
    users = [{ id: 'c'.repeat(64), running: false }];
    expect(() => rm('x:1')).toThrow(
      'conflict: unable to remove repository reference "x:1" (must force) - container cccccccccccc is using its referenced image aa0000000000',
    );
    expect(() => rm('aa')).toThrow('(must be forced) - image is being used by stopped container');
    users = [{ id: 'c'.repeat(64), running: true }];
    expect(() => rmForce('aa')).toThrow('(cannot be forced) - image is being used by running container');
    expect(rmForce('x:1')).toEqual([{ untagged: 'x:1' }]);
    expect(index.find(A)?.id).toBe(A);
  });

  test('an image with children stays, also with force, until they are gone', () => {
    add(A, ['docker.io/library/x:1', 'docker.io/library/x:2']);
    add(B, ['docker.io/library/y:1'], [], A);
    expect(() => rmForce('aa')).toThrow(
      'conflict: unable to delete aa0000000000 (cannot be forced) - image has dependent child images',
    );
    // Its names may go: then it is a step of its child, and goes with it.
    expect(rm('x:1')).toEqual([{ untagged: 'x:1' }]);
    expect(rm('x:2')).toEqual([{ untagged: 'x:2' }]);
    expect(rm('y:1')).toEqual([{ untagged: 'y:1' }, { deleted: B }, { deleted: A }]);
  });

  test('parents with a name stay, and all with noPrune', () => {
    add(A, []);
    add(B, ['docker.io/library/y:1'], [], A);
    expect(rm('y:1', { force: false, noPrune: true })).toEqual([{ untagged: 'y:1' }, { deleted: B }]);
    add(A, ['docker.io/library/x:1']);
    add(B, ['docker.io/library/y:1'], [], A);
    expect(rm('y:1')).toEqual([{ untagged: 'y:1' }, { deleted: B }]);
  });

  test('one tag and digests of another repository are several references', () => {
    add(A, ['docker.io/library/x:1'], [`docker.io/library/z@${B}`]);
    expect(() => rm('aa')).toThrow('image is referenced in multiple repositories');
    expect(rm('x:1')).toEqual([{ untagged: 'x:1' }]);
    expect(rm(`z@${B}`)).toEqual([{ untagged: `z@${B}` }, { deleted: A }]);
  });

  test('a mounted image stays, with its last name; prune leaves it alone', () => {
    add(A, ['docker.io/library/x:1', 'docker.io/library/x:2']);
    mounted.add(A);
    expect(rm('x:2')).toEqual([{ untagged: 'x:2' }]);
    for (const ref of ['x:1', 'aa']) {
      expect(() => rmForce(ref)).toThrow(
        'conflict: unable to delete aa0000000000 (cannot be forced) - image is mounted at /view: unmount it first',
      );
    }
    expect(remover.prune(true, () => true)).toEqual([]);
    expect(index.get(A).repoTags).toEqual(['x:1']);
  });

  test('a refused removal by id takes no name away', () => {
    add(A, ['docker.io/library/x:1']);
    users = [{ id: 'c'.repeat(64), running: true }];
    expect(() => rmForce('aa')).toThrow('cannot be forced');
    expect(index.get(A).repoTags).toEqual(['x:1']);
  });
});

describe('prune', () => {
  const prune = (all: boolean) => remover.prune(all, () => true).map(told);

  test('without `all` only what has no tag; digest names count as none', () => {
    add(A, ['docker.io/library/x:1']);
    add(B, [], [`docker.io/library/z@${A}`]);
    expect(prune(false)).toEqual([{ untagged: `z@${A}` }, { deleted: B }]);
    expect(prune(true)).toEqual([{ untagged: 'x:1' }, { deleted: A }]);
  });

  test('what a container uses stays with its name', () => {
    add(A, ['docker.io/library/x:1']);
    users = [{ id: 'c'.repeat(64), running: false }];
    expect(prune(true)).toEqual([]);
    expect(index.get(A).repoTags).toEqual(['x:1']);
  });

  test('a nameless step goes with its nameless child only', () => {
    add(A, []);
    add(B, ['docker.io/library/y:1'], [], A);
    expect(prune(false)).toEqual([]);
    rm('y:1', { force: false, noPrune: true });
    expect(prune(false)).toEqual([{ deleted: A }]);
  });
});

test('layers are told by chain id, topmost first, and only those that went', () => {
  const [one, two, three] = ['1', '2', '3'].map((digit) => `sha256:${digit.repeat(64)}`) as [
    string,
    string,
    string,
  ];
  const image = (id: string, diffIds: string[]) => {
    const text = JSON.stringify({ ...JSON.parse(CONFIG), rootfs: { type: 'layers', diff_ids: diffIds } });
    return index.add({ id, configText: text, size: 1, parent: '', blobs: [], tags: [], digests: [] });
  };
  const [gone, kept] = [image(A, [one, two, three]), image(B, [one])];
  const chains = chainIds([one, two, three]);
  expect(chains[1]).toBe(digestOf(`${one} ${two}`));
  expect(withFreedLayers([{ deleted: gone }], [kept], new Set([two, three]))).toEqual([
    { deleted: A },
    { deleted: chains[2]! },
    { deleted: chains[1]! },
  ]);
  // One is in use by a container still.
  expect(withFreedLayers([{ deleted: gone }], [], new Set([three]))).toEqual([
    { deleted: A },
    { deleted: chains[2]! },
  ]);
});
