import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { FileType, makeNode, setOwner, setTimes } from '../../../src/kernel/files.ts';
import { setXattr } from '../../../src/kernel/xattr.ts';

/** A tree that is hard to store, and the flags that GNU tar is to archive it with: one archive for each. */
export interface EdgeTree {
  /** Fills an empty directory. */
  readonly make: (root: string) => void;
  readonly archives: ReadonlyArray<readonly string[]>;
}

const GNU = ['--format=gnu'];
const OLD_GNU = ['--format=oldgnu'];
const USTAR = ['--format=ustar'];
const V7 = ['--format=v7'];
const PAX = ['--format=pax', '--xattrs', '--xattrs-include=*'];
const SPARSE = [
  ['--format=gnu', '-S'],
  ...['0.0', '0.1', '1.0'].map((version) => ['--format=pax', '-S', `--sparse-version=${version}`]),
];

const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');

/** Files named for their lengths, whose contents differ in each byte. */
function fill(path: string, length: number): void {
  writeFileSync(
    path,
    Buffer.from(Uint8Array.from({ length }, (_, at) => 1 + ((at * 7 + (at >> 8) + length) % 255))),
  );
}

function names(root: string): void {
  for (const name of [
    '!',
    '+',
    '-',
    '--',
    '.a',
    '..a',
    '...',
    ',',
    ' ',
    '~',
    'a\nb',
    'a\\b',
    'a"b',
    '\x01',
  ]) {
    writeFileSync(`${root}/${name}`, name);
  }
  for (const name of ['\xff', '\xfe\xff', 'caf\xe9', '\xc3\xa9', 'é'.repeat(3), '\x80']) {
    writeFileSync(bytes(`${root}/${name}`), 'bytes');
  }
  for (const letter of ['a', 'b', 'c', '\xe9']) writeFileSync(bytes(`${root}/${letter.repeat(255)}`), letter);
  mkdirSync(bytes(`${root}/${'\xfc'.repeat(255)}`));
  // A directory's records take 12 bytes and the name each; `.` and `..` 27: these fill whole blocks of 512 bytes,
  // all but one byte of them, and one more.
  for (const total of [512, 511, 513, 1024, 1023, 1025, 4096, 4097]) {
    const directory = `${root}/fill-${total}`;
    mkdirSync(directory);
    fillDirectory(directory, total);
  }
}

function fillDirectory(directory: string, total: number): void {
  let used = 27;
  // In each block of 512 bytes, in the order of their names.
  for (let block = 0, count = 0; used < total; block++) {
    let left = Math.min(512, total - block * 512) - (block === 0 ? 27 : 0);
    while (left > 0) {
      const length = left > 128 ? 60 : left > 64 ? Math.floor(left / 2) - 12 : left - 12;
      if (length < 6) break;
      writeFileSync(`${directory}/${String(count++).padStart(6, '0')}${'n'.repeat(length - 6)}`, '');
      left -= length + 12;
      used += length + 12;
    }
    if (left > 0) break;
  }
}

function deep(root: string): void {
  // 3,700 bytes of path: with the test's own directory before it still below PATH_MAX.
  const path = Array.from({ length: 18 }, (_, i) => String(i).padStart(204, 'p')).join('/');
  mkdirSync(`${root}/${path}`, { recursive: true });
  writeFileSync(`${root}/${path}/end`, 'end');
  symlinkSync(path.slice(0, 4095), `${root}/to-the-end`);
  linkSync(`${root}/${path}/end`, `${root}/hard-to-the-end`);
  mkdirSync(`${root}/${'d/'.repeat(500)}`, { recursive: true });
  for (const length of [98, 99, 100, 101, 154, 155, 156, 254, 255]) {
    writeFileSync(`${root}/${'u'.repeat(length)}`, String(length));
    mkdirSync(`${root}/s${length}/${'v'.repeat(length)}`, { recursive: true });
    writeFileSync(`${root}/s${length}/${'v'.repeat(length)}/${'w'.repeat(99)}`, '');
  }
}

function links(root: string): void {
  for (const length of [1, 2, 99, 100, 101, 447, 448, 449, 511, 512, 513, 1024, 4095]) {
    symlinkSync('t'.repeat(length), `${root}/sym-${length}`);
  }
  symlinkSync(bytes('\xff\xfe'), `${root}/sym-bytes`);
  mkdirSync(`${root}/a/b`, { recursive: true });
  mkdirSync(`${root}/z`);
  writeFileSync(`${root}/z/first`, 'linked');
  linkSync(`${root}/z/first`, `${root}/a/b/second`);
  linkSync(`${root}/z/first`, `${root}/third`);
  execFileSync('ln', ['-P', `${root}/sym-513`, `${root}/a/sym-hard`]);
  makeNode(`${root}/pipe`, FileType.FIFO | 0o640, 0, 0);
  linkSync(`${root}/pipe`, `${root}/z/pipe-hard`);
}

function devices(root: string): void {
  for (const [major, minor] of [
    [1, 3],
    [0, 1],
    [255, 255],
    [256, 256],
    [4095, 1048575],
    [5, 65536],
  ] as const) {
    makeNode(`${root}/c-${major}-${minor}`, FileType.CHARACTER | 0o600, major, minor);
    makeNode(`${root}/b-${major}-${minor}`, FileType.BLOCK | 0o660, major, minor);
  }
  makeNode(`${root}/fifo`, FileType.FIFO | 0o622, 0, 0);
}

function owners(root: string): void {
  for (const id of [0, 1, 65534, 65535, 65536, 2097151, 2097152, 2147483647, 2147483648, 4294967294]) {
    writeFileSync(`${root}/own-${id}`, '');
    setOwner(`${root}/own-${id}`, id, 4294967294 - id);
  }
  for (const mode of [0, 0o1777, 0o2755, 0o4711, 0o6000, 0o7777]) {
    writeFileSync(`${root}/mode-${mode.toString(8)}`, '');
    chmodSync(`${root}/mode-${mode.toString(8)}`, mode);
    mkdirSync(`${root}/dir-${mode.toString(8)}`);
    chmodSync(`${root}/dir-${mode.toString(8)}`, mode);
  }
}

function times(root: string): void {
  for (const seconds of [-2208988800, -1, 0, 2147483648, 8589934591, 8589934592, 17179869184, 253402300800]) {
    writeFileSync(`${root}/at${seconds}`, '');
    setTimes(`${root}/at${seconds}`, seconds, 0);
    for (const nanoseconds of [1, 100_000_000, 999_999_999]) {
      writeFileSync(`${root}/at${seconds}.${nanoseconds}`, '');
      setTimes(`${root}/at${seconds}.${nanoseconds}`, seconds, nanoseconds);
    }
  }
  mkdirSync(`${root}/directory`);
  symlinkSync('nowhere', `${root}/symlink`);
  lutimesSync(`${root}/symlink`, 1, 123.5);
  setTimes(`${root}/directory`, -5, 5);
  setTimes(root, 12345, 678);
}

function sizes(root: string): void {
  for (const length of [0, 1, 511, 512, 513, 1023, 4095, 4096, 4097, 8191, 8192, 8193, 65537, 1048577]) {
    fill(`${root}/size-${length}`, length);
  }
}

function attributes(root: string): void {
  const set = (name: string, attribute: string, value: Uint8Array): void => {
    if (!setXattr(`${root}/${name}`, attribute, value)) throw new Error(`cannot set ${attribute} of ${name}`);
  };
  const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
  const capability3 = Buffer.from('010000030004000000000000000000000000000012345678', 'hex');
  const acl = Buffer.from(
    '0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff',
    'hex',
  );
  // How many fill the room behind an inode up to a block's border, and over it.
  for (const length of [0, 1, 3, 4, 100, 370, 420, 430, 436, 437, 438, 439, 440, 444, 448, 512, 900, 1000]) {
    writeFileSync(`${root}/user-${length}`, length % 2 === 0 ? '' : 'contents');
    set(`user-${length}`, 'user.value', Buffer.alloc(length, 'v'));
    mkdirSync(`${root}/dir-${length}`);
    set(`dir-${length}`, 'user.value', Buffer.alloc(length, 'd'));
    symlinkSync('target'.repeat(1 + (length % 20)), `${root}/sym-${length}`);
    set(`sym-${length}`, 'trusted.value', Buffer.alloc(length, 's'));
    makeNode(`${root}/fifo-${length}`, FileType.FIFO | 0o600, 0, 0);
    set(`fifo-${length}`, 'trusted.value', Buffer.alloc(length, 'p'));
  }
  writeFileSync(`${root}/many`, '');
  for (let i = 0; i < 200; i++) set('many', `user.${'n'.repeat(1 + i)}`, Buffer.alloc(i, i));
  writeFileSync(`${root}/caps`, '');
  set('caps', 'security.capability', capability);
  writeFileSync(`${root}/caps3`, '');
  set('caps3', 'security.capability', capability3);
  writeFileSync(`${root}/large`, 'large');
  for (const name of ['a', 'b', 'c']) set('large', `user.${name}`, Buffer.alloc(40_000, name));
  set('large', `user.${'l'.repeat(250)}`, Buffer.from([0, 10, 61, 255]));
  mkdirSync(`${root}/acl`);
  // Binary as a record, since this is how image builders write them.
  set('acl', 'system.posix_acl_access', acl);
  set('acl', 'system.posix_acl_default', acl);
  set('', 'user.root', Buffer.from('of the root'));
}

/** `pieces`: offsets and lengths of data. */
function sparse(path: string, size: number, pieces: ReadonlyArray<readonly [number, number]>): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  for (const [offset, length] of pieces)
    writeSync(fd, Buffer.alloc(length, `at ${offset} `), 0, length, offset);
  closeSync(fd);
}

const MIB = 1024 * 1024;

/** On tmpfs data comes in pages of 4096 bytes; archives with other pieces are made by raw-tars.ts. */
function holes(root: string): void {
  sparse(`${root}/nothing`, 5 * MIB, []);
  sparse(`${root}/hole-at-the-end`, 3 * MIB, [[0, 5000]]);
  sparse(`${root}/hole-at-the-start`, 3 * MIB + 5, [[3 * MIB - 100, 105]]);
  sparse(`${root}/odd`, 100_003, [
    [8192, 1],
    [40_960, 4096],
    [98_304, 1699],
  ]);
  sparse(
    `${root}/many`,
    4 * MIB,
    Array.from({ length: 100 }, (_, i) => [i * 40_960, 100 + i] as const),
  );
  sparse(`${root}/page`, 4096, [[0, 4096]]);
  sparse(`${root}/tail`, 2 * MIB + 1, [[2 * MIB, 1]]);
}

export const EDGE_TREES: Readonly<Record<string, EdgeTree>> = {
  names: { make: names, archives: [GNU, OLD_GNU, PAX] },
  'long paths': { make: deep, archives: [GNU, PAX] },
  links: { make: links, archives: [GNU, PAX] },
  devices: { make: devices, archives: [GNU, USTAR, PAX] },
  'owners and modes': { make: owners, archives: [GNU, PAX] },
  times: { make: times, archives: [GNU, PAX] },
  sizes: { make: sizes, archives: [V7, USTAR, OLD_GNU, GNU, PAX] },
  'extended attributes': { make: attributes, archives: [PAX] },
  'sparse files': { make: holes, archives: SPARSE },
  'an empty tree': { make: () => undefined, archives: [V7, USTAR, GNU, PAX] },
};
