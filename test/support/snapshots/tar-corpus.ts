import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';

/** A tree with everything that tars can hold. */
export function makeCorpus(root: string): string {
  const run = (...argv: string[]): void => {
    execFileSync(argv[0] ?? '', argv.slice(1));
  };
  const deep = `${root}/deep/${Array.from({ length: 12 }, (_, i) => `level-${i}-${'d'.repeat(20)}`).join('/')}`;
  mkdirSync(deep, { recursive: true });
  writeFileSync(`${deep}/${'long-name-'.repeat(20)}`, 'long');
  writeFileSync(`${root}/${'long'.repeat(60)}`, 'longest');
  writeFileSync(Buffer.from(`${root}/bytes-\xff\xfe`, 'latin1'), 'not utf-8');
  writeFileSync(`${root}/ünïcode-名前`, 'utf-8');
  writeFileSync(`${root}/empty`, '');
  writeFileSync(`${root}/block`, 'b'.repeat(512));
  writeFileSync(`${root}/large`, Buffer.alloc(3_000_001, 'large file '));
  writeFileSync(`${root}/setuid`, 'suid');
  run('chmod', '6755', `${root}/setuid`);
  run('chown', '12345:54321', `${root}/block`);
  run('chown', '3000000000:3000000001', `${root}/${'long'.repeat(60)}`);
  mkdirSync(`${root}/sticky`);
  run('chmod', '3777', `${root}/sticky`);
  writeFileSync(`${root}/sticky/inside`, 'in a set-gid directory');
  run('ln', `${root}/large`, `${root}/sticky/hard`);
  symlinkSync('large', `${root}/sym`);
  symlinkSync('/nowhere/../..', `${root}/dangling`);
  run('ln', '-P', `${root}/sym`, `${root}/sym-hard`);
  run('mknod', `${root}/fifo`, 'p');
  run('mknod', `${root}/null`, 'c', '1', '3');
  run('mknod', `${root}/disk`, 'b', '259', '70000');
  run('truncate', '-s', '5M', `${root}/sparse`);
  run(
    'dd',
    'if=/dev/zero',
    `of=${root}/sparse`,
    'bs=1',
    'count=3',
    'seek=2000000',
    'conv=notrunc',
    'status=none',
  );
  execFileSync('dd', [`of=${root}/sparse`, 'bs=1', 'seek=3000000', 'conv=notrunc', 'status=none'], {
    input: 'data',
  });
  writeFileSync(`${root}/caps`, 'x');
  run(
    'setfattr',
    '-n',
    'security.capability',
    '-v',
    '0x0100000200040000000000000000000000000000',
    `${root}/caps`,
  );
  run('setfattr', '-n', 'user.empty', `${root}/caps`);
  run('setfattr', '-n', 'user.binary', '-v', '0x00ff0a3d', `${root}/sticky`);
  writeFileSync(`${root}/old`, 'before 1970');
  run('touch', '-d', '1960-01-02T03:04:05', `${root}/old`);
  run('touch', '-h', '-d', '2001-02-03T04:05:06.789', `${root}/sym`);
  run('touch', '-d', '2011-12-13T14:15:16.123456789', `${root}/sticky`, `${root}/empty`);
  return root;
}
