/** A root file system of Debian's static busybox, as a tar: what the tests and the bench run. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must } from './command.ts';

const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;
const GROUP = `root:x:0:
daemon:x:1:
bin:x:2:
adm:x:4:
www-data:x:33:
nogroup:x:65534:
`;

/** Path of the tar, made once per version of busybox and kept in the temporary folder. */
export async function busyboxTar(): Promise<string> {
  const binary = Bun.which('busybox') ?? '/bin/busybox';
  const key = Bun.hash(readFileSync(binary)).toString(36);
  const path = join(tmpdir(), `tare-test-busybox-${key}.tar`);
  if (existsSync(path)) return path;
  const folder = mkdtempSync(join(tmpdir(), 'tare-busybox-'));
  try {
    const root = join(folder, 'root');
    for (const name of [
      'bin',
      'dev',
      'etc',
      'home',
      'proc',
      'root',
      'sys',
      'tmp',
      'usr/bin',
      'usr/sbin',
      'var/tmp',
      'var/www',
    ]) {
      mkdirSync(join(root, name), { recursive: true });
    }
    await copyFile(binary, join(root, 'bin/busybox'));
    await chmod(join(root, 'bin/busybox'), 0o755);
    for (const applet of (await must([binary, '--list'])).split('\n')) {
      if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
    }
    await Promise.all([
      chmod(join(root, 'tmp'), 0o1777),
      chmod(join(root, 'var/tmp'), 0o1777),
      chmod(join(root, 'root'), 0o700),
    ]);
    writeFileSync(join(root, 'etc/passwd'), PASSWD);
    writeFileSync(join(root, 'etc/group'), GROUP);
    const tar = join(folder, 'busybox.tar');
    await must([
      'tar',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '--sort=name',
      '--mtime=@0',
      '-C',
      root,
      '-cf',
      tar,
      '.',
    ]);
    renameSync(tar, path);
    return path;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
