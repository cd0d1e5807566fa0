import { existsSync, readFileSync } from 'node:fs';
import { encodeTarHeader, type TarMember, tarEnd, tarPadding } from '../../archive/tar-writer.ts';
import { TareError } from '../../base/errors.ts';
import { canonicalString, type Reference, withDefaultTag } from '../../oci/reference.ts';

/** The one image that can be made on a machine that reaches no registry. */
const DEFAULT_IMAGE = 'docker.io/library/busybox:latest';
/** Of Debian's package busybox-static. */
const PROGRAMS = ['/bin/busybox', '/usr/bin/busybox'];

/** What `import` needs besides the tar. */
export const DEFAULT_IMAGE_CHANGES: readonly string[] = [
  'CMD ["sh"]',
  'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
];

/** True when the default image may stand in for `ref`. */
export function isDefaultImage(ref: Reference): boolean {
  return canonicalString(withDefaultTag(ref)) === DEFAULT_IMAGE;
}

const USERS: ReadonlyArray<readonly [name: string, uid: number, gid: number, home: string, shell: string]> = [
  ['root', 0, 0, '/root', '/bin/sh'],
  ['daemon', 1, 1, '/usr/sbin', '/bin/false'],
  ['bin', 2, 2, '/bin', '/bin/false'],
  ['sys', 3, 3, '/dev', '/bin/false'],
  ['sync', 4, 100, '/bin', '/bin/sync'],
  ['mail', 8, 8, '/var/spool/mail', '/bin/false'],
  ['www-data', 33, 33, '/var/www', '/bin/false'],
  ['operator', 37, 37, '/var', '/bin/false'],
  ['nobody', 65_534, 65_534, '/home', '/bin/false'],
];
const GROUPS: ReadonlyArray<readonly [name: string, gid: number]> = [
  ['root', 0],
  ['daemon', 1],
  ['bin', 2],
  ['sys', 3],
  ['adm', 4],
  ['tty', 5],
  ['disk', 6],
  ['mail', 8],
  ['wheel', 10],
  ['dialout', 18],
  ['cdrom', 24],
  ['floppy', 25],
  ['tape', 26],
  ['audio', 29],
  ['www-data', 33],
  ['operator', 37],
  ['video', 44],
  ['plugdev', 46],
  ['users', 100],
  ['nogroup', 65_534],
];

/**
 * The root file system of `busybox:latest`, made of the host's static busybox: a link per applet, users and
 * groups, the usual directories. Throws `unavailable` when busybox-static is not installed.
 */
export async function defaultImageTar(): Promise<ReadableStream<Uint8Array>> {
  const program = PROGRAMS.find((path) => existsSync(path));
  if (program === undefined) {
    throw new TareError(
      'unavailable',
      'no registry answers, and the default busybox cannot be made: install the package busybox-static and try again',
    );
  }
  const binary = readFileSync(program);
  const list = Bun.spawn([program, '--list'], { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' });
  const applets = (await new Response(list.stdout).text())
    .split('\n')
    .filter((name) => /^[\w.[+-]+$/.test(name));
  const parts: Uint8Array[] = [];
  const add = (member: TarMember, content?: Uint8Array): void => {
    parts.push(encodeTarHeader({ ...member, size: content?.byteLength ?? 0 }));
    if (content) parts.push(content, tarPadding(content.byteLength));
  };
  const directory = (name: string, mode = 0o755, owner = 0): void =>
    add({ type: 'directory', name, mode, uid: owner, gid: owner });
  const file = (name: string, mode: number, text: string): void =>
    add({ type: 'file', name, mode }, Buffer.from(text));
  directory('bin');
  add({ type: 'file', name: 'bin/busybox', mode: 0o755 }, binary);
  for (const applet of applets) {
    if (applet !== 'busybox')
      add({ type: 'link', name: `bin/${applet}`, linkName: 'bin/busybox', mode: 0o755 });
  }
  directory('dev');
  directory('etc');
  file('etc/group', 0o644, GROUPS.map(([name, gid]) => `${name}:x:${gid}:\n`).join(''));
  file('etc/nsswitch.conf', 0o644, 'passwd: files\ngroup: files\nhosts: files dns\n');
  file(
    'etc/passwd',
    0o644,
    USERS.map(([name, uid, gid, home, shell]) => `${name}:x:${uid}:${gid}:${name}:${home}:${shell}\n`).join(
      '',
    ),
  );
  file('etc/shadow', 0o600, USERS.map(([name]) => `${name}:*:10933:0:99999:7:::\n`).join(''));
  directory('home', 0o755, 65_534);
  directory('root', 0o700);
  directory('tmp', 0o1777);
  for (const name of ['usr', 'usr/bin', 'usr/sbin', 'var', 'var/spool', 'var/spool/mail', 'var/www']) {
    directory(name);
  }
  add({ type: 'symlink', name: 'usr/bin/env', linkName: '../../bin/env', mode: 0o777 });
  parts.push(tarEnd());
  return new Response(Buffer.concat(parts)).body ?? new ReadableStream();
}
