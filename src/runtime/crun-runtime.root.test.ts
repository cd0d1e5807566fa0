import { afterAll, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { newId } from '../base/ids.ts';
import { readLayout } from './cgroups/layout.ts';
import type { Attachment } from './runtime.ts';
import { collect, RuntimeFixture } from './testing.ts';

const fixture = new RuntimeFixture();
afterAll(() => fixture.close());

const decoder = new TextDecoder();

/** Resolves when the attachment's output so far contains `text`. */
function waitFor(attachment: Attachment, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let seen = '';
  attachment.onOutput((_, chunk) => {
    seen += decoder.decode(chunk);
    if (seen.includes(text)) resolve(seen);
  });
  return promise;
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await Bun.sleep(5);
}

/** Everything that still bears the container's id. */
function leftovers(id: string): string[] {
  const found: string[] = [];
  for (const hierarchy of readLayout().hierarchies) {
    const path = join(hierarchy, fixture.cgroupParent, id);
    if (existsSync(path)) found.push(path);
  }
  for (const directory of ['crun', 'exits', 'monitors', 'execs', 'tmp']) {
    for (const name of readdirSync(join(fixture.directory, 'run', directory))) {
      if (name.includes(id) || directory === 'tmp') found.push(`${directory}/${name}`);
    }
  }
  return [...found, ...readdirSync(fixture.bundle(id))];
}

describe('a container', () => {
  test('runs; output is kept apart and the exit code is true', async () => {
    const { exit, stdout, stderr } = await fixture.run(['sh', '-c', 'echo out; echo err >&2; exit 7']);
    expect(stdout).toBe('out\n');
    expect(stderr).toBe('err\n');
    expect(exit).toMatchObject({ exitCode: 7, exitCodeKnown: true, oomKilled: false, execId: undefined });
    expect(Math.abs(Date.now() - exit.finishedAt)).toBeLessThan(60_000);
  });

  test('waits at the gate until it is started, and crun agrees about its state', async () => {
    const id = await fixture.create(['sleep', '1000']);
    const crun = (verb: string): string =>
      Bun.spawnSync(['crun', `--root=${join(fixture.directory, 'run/crun')}`, verb, id]).stdout.toString();
    expect(JSON.parse(crun('state')).status).toBe('created');
    await fixture.runtime.start(id);
    expect(JSON.parse(crun('state')).status).toBe('running');
    expect((await fixture.runtime.pids(id)).length).toBe(1);
    await fixture.runtime.signal(id, 9);
    expect((await fixture.exit(id)).exitCode).toBe(137);
    await expect(fixture.runtime.signal(id, 15)).rejects.toMatchObject({ kind: 'not-found' });
    await fixture.runtime.delete(id);
    expect(leftovers(id)).toEqual([]);
    await fixture.runtime.delete(id);
  });

  test('gets signals', async () => {
    const id = await fixture.create([
      'sh',
      '-c',
      'trap "echo got; exit 5" USR1; echo ready; while :; do sleep 0.05; done',
    ]);
    const attachment = await fixture.runtime.attach(id);
    const ready = waitFor(attachment, 'ready');
    await fixture.runtime.start(id);
    await ready;
    await fixture.runtime.signal(id, 10);
    expect((await fixture.exit(id)).exitCode).toBe(5);
    await fixture.runtime.delete(id);
  });

  test('is killed by delete, with all its processes and execs', async () => {
    const id = await fixture.create(['sh', '-c', 'sleep 1000 & sleep 1000'], { change: fixture.docker() });
    await fixture.runtime.start(id);
    const execId = newId();
    await fixture.runtime.exec({
      id,
      execId,
      process: fixture.process(['sleep', '1000']),
      openStdin: false,
      attach: false,
    });
    const pids = await fixture.runtime.pids(id);
    expect(pids.length).toBeGreaterThanOrEqual(2);
    await fixture.runtime.delete(id);
    for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(leftovers(id)).toEqual([]);
    expect((await fixture.exit(id, execId)).exitCode).toBe(137);
  });

  test('is paused and resumed', async () => {
    const id = await fixture.create(['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; done']);
    await fixture.runtime.start(id);
    await fixture.runtime.pause(id);
    const [pid = 0] = await fixture.runtime.pids(id);
    const ticks = (): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(13, 15).join();
    const before = ticks();
    await Bun.sleep(60);
    expect(ticks()).toBe(before);
    await fixture.runtime.resume(id);
    await until(() => ticks() !== before);
    await fixture.runtime.pause(id);
    // A frozen one can be deleted too.
    await fixture.runtime.delete(id);
    expect(leftovers(id)).toEqual([]);
  });

  const failures: Array<[string[], RegExp]> = [
    [['nosuch'], /exec: "nosuch": executable file not found in \$PATH/],
    [['/no/such'], /exec: "\/no\/such": stat \/no\/such: no such file or directory/],
    [['/etc'], /exec: "\/etc": is a directory/],
    [['/etc/notexec'], /exec: "\/etc\/notexec": permission denied/],
  ];
  test.each(failures)('that cannot run (%p) says why and leaves nothing', async (args, words) => {
    const id = newId();
    const bundle = fixture.bundle(id);
    await fixture.runtime.writeBundle(bundle, fixture.spec(id, args));
    const create = fixture.runtime.create({
      id,
      bundle,
      terminal: false,
      openStdin: false,
      stdinOnce: false,
      logPath: undefined,
      logMaxSize: 0,
    });
    const error: Error = await create.then(
      () => new Error('created'),
      (reason) => reason,
    );
    expect(error.message).toMatch(words);
    expect(error.message).toStartWith('failed to create task for container: failed to create shim task: OCI');
    expect(leftovers(id)).toEqual([]);
  });

  test('whose monitor is killed is still noticed to end, with its code', async () => {
    const id = newId();
    const bundle = fixture.bundle(id);
    await fixture.runtime.writeBundle(bundle, fixture.spec(id, ['sh', '-c', 'sleep 0.3; exit 9']));
    const { monitorPid } = await fixture.runtime.create({
      id,
      bundle,
      terminal: false,
      openStdin: false,
      stdinOnce: false,
      logPath: undefined,
      logMaxSize: 0,
    });
    await fixture.runtime.start(id);
    process.kill(monitorPid, 'SIGKILL');
    expect(await fixture.exit(id)).toMatchObject({ exitCode: 9, exitCodeKnown: true });
    await fixture.runtime.delete(id);
    expect(leftovers(id)).toEqual([]);
  });
});

describe('stdin', () => {
  test('is half-closed: the process sees its end and its output still arrives', async () => {
    const id = await fixture.create(['sh', '-c', 'wc -c; sleep 0.05; echo after'], {
      openStdin: true,
      stdinOnce: true,
    });
    const attachment = await fixture.runtime.attach(id);
    const output = collect(attachment);
    await fixture.runtime.start(id);
    const chunk = new Uint8Array(300_000).fill(120);
    for (let i = 0; i < 10; i += 1) await attachment.write(chunk);
    await attachment.closeInput();
    expect((await output).stdout).toBe('3000000\nafter\n');
    expect((await fixture.exit(id)).exitCode).toBe(0);
    await fixture.runtime.delete(id);
  });

  test('echoed back through cat arrives byte for byte, with neither side waiting for the other for ever', async () => {
    const id = await fixture.create(['cat'], { openStdin: true, stdinOnce: true });
    const attachment = await fixture.runtime.attach(id);
    const hash = new Bun.CryptoHasher('sha256');
    attachment.onOutput((_, chunk) => void hash.update(chunk));
    await fixture.runtime.start(id);
    const sent = new Bun.CryptoHasher('sha256');
    for (let i = 0; i < 200; i += 1) {
      const chunk = crypto.getRandomValues(new Uint8Array(32_768));
      sent.update(chunk);
      await attachment.write(chunk);
    }
    await attachment.closeInput();
    expect(await attachment.ended).toBe('eof');
    expect(hash.digest('hex')).toBe(sent.digest('hex'));
    await fixture.exit(id);
    await fixture.runtime.delete(id);
  });

  test('of a container without StdinOnce stays open when clients go', async () => {
    const id = await fixture.create(['cat'], { openStdin: true });
    await fixture.runtime.start(id);
    const first = await fixture.runtime.attach(id);
    const one = waitFor(first, 'one');
    await first.write(Buffer.from('one\n'));
    await one;
    await first.closeInput();
    first.close();
    expect(await first.ended).toBe('closed');
    await Bun.sleep(50);
    const second = await fixture.runtime.attach(id);
    const two = waitFor(second, 'two');
    await second.write(Buffer.from('two\n'));
    expect(await two).toContain('two');
    await fixture.runtime.delete(id);
  });
});

describe('output', () => {
  const size = 100 * 1024 * 1024;
  test('of 100 MB arrives whole and in order', async () => {
    const id = await fixture.create(['sh', '-c', `head -c ${size} /dev/zero; echo end`]);
    const attachment = await fixture.runtime.attach(id);
    let bytes = 0;
    let last = '';
    let zeros = true;
    attachment.onOutput((_, chunk) => {
      bytes += chunk.length;
      last = decoder.decode(chunk.subarray(-4));
      if (bytes <= size) zeros &&= chunk.every((byte) => byte === 0);
    });
    await fixture.runtime.start(id);
    expect(await attachment.ended).toBe('eof');
    expect(bytes).toBe(size + 4);
    expect(last).toBe('end\n');
    expect(zeros).toBe(true);
    await fixture.exit(id);
    await fixture.runtime.delete(id);
  }, 60_000);

  test('goes to several clients at once', async () => {
    const id = await fixture.create(['sh', '-c', 'seq 1 5000']);
    const all = [await fixture.runtime.attach(id), await fixture.runtime.attach(id)].map(collect);
    await fixture.runtime.start(id);
    const expected = Array.from({ length: 5000 }, (_, i) => `${i + 1}\n`).join('');
    for (const output of await Promise.all(all)) expect(output.stdout).toBe(expected);
    await fixture.exit(id);
    await fixture.runtime.delete(id);
  });

  test('waits a little for a slow reader, which misses nothing', async () => {
    const id = await fixture.create(['sh', '-c', 'head -c 8000000 /dev/zero; echo end']);
    const attachment = await fixture.runtime.attach(id);
    let bytes = 0;
    attachment.onOutput((_, chunk) => {
      bytes += chunk.length;
      attachment.pause();
      setTimeout(() => attachment.resume(), 0);
    });
    await fixture.runtime.start(id);
    expect(await attachment.ended).toBe('eof');
    expect(bytes).toBe(8_000_004);
    await fixture.exit(id);
    await fixture.runtime.delete(id);
  }, 60_000);

  test('gives a dead reader up and lets the container go on', async () => {
    const id = await fixture.create(['sh', '-c', 'head -c 20000000 /dev/zero; exit 4']);
    const dead = await fixture.runtime.attach(id);
    const alive = await fixture.runtime.attach(id);
    dead.onOutput(() => dead.pause());
    let bytes = 0;
    alive.onOutput((_, chunk) => {
      bytes += chunk.length;
    });
    await fixture.runtime.start(id);
    expect(await dead.ended).toBe('overrun');
    expect(await alive.ended).toBe('eof');
    expect(bytes).toBe(20_000_000);
    expect((await fixture.exit(id)).exitCode).toBe(4);
    await fixture.runtime.delete(id);
  }, 60_000);
});

describe('a terminal', () => {
  test('is one, has a size, and is resized', async () => {
    const id = await fixture.create(
      ['sh', '-c', 'stty size; trap "stty size; exit 0" WINCH; echo ready; while :; do sleep 0.05; done'],
      {
        terminal: true,
        openStdin: true,
        change: (spec) => ({
          ...spec,
          process: { ...spec.process, consoleSize: { height: 33, width: 101 } },
        }),
      },
    );
    const attachment = await fixture.runtime.attach(id);
    let seen = '';
    const { promise, resolve } = Promise.withResolvers<void>();
    attachment.onOutput((stream, chunk) => {
      expect(stream).toBe('stdout');
      seen += decoder.decode(chunk);
      if (seen.includes('ready')) resolve();
    });
    await fixture.runtime.start(id);
    await promise;
    await fixture.runtime.resize(id, undefined, 40, 120);
    expect((await fixture.exit(id)).exitCode).toBe(0);
    await attachment.ended;
    expect(seen).toContain('33 101');
    expect(seen).toContain('40 120');
    await fixture.runtime.delete(id);
  });

  test('takes input, and a client that goes does not hang it up', async () => {
    const id = await fixture.create(['sh'], { terminal: true, openStdin: true, stdinOnce: true });
    const first = await fixture.runtime.attach(id);
    await fixture.runtime.start(id);
    const answer = waitFor(first, 'a-42');
    await first.write(Buffer.from('echo a-$((6*7))\n'));
    await answer;
    first.close();
    const second = await fixture.runtime.attach(id);
    const again = waitFor(second, 'b-42');
    await second.write(Buffer.from('echo b-$((6*7))\n'));
    await again;
    await second.write(Buffer.from('exit 3\n'));
    expect((await fixture.exit(id)).exitCode).toBe(3);
    await fixture.runtime.delete(id);
  });
});

describe('an exec', () => {
  test('has its own stdio and exit code, and leaves nothing', async () => {
    const id = await fixture.create(['sleep', '1000']);
    await fixture.runtime.start(id);
    const execId = newId();
    const { attachment } = await fixture.runtime.exec({
      id,
      execId,
      process: fixture.process(['sh', '-c', 'cat; echo err >&2; exit 6']),
      openStdin: true,
      attach: true,
    });
    if (!attachment) throw new Error('no attachment');
    const output = collect(attachment);
    await attachment.write(Buffer.from('hello'));
    await attachment.closeInput();
    expect(await output).toEqual({ stdout: 'hello', stderr: 'err\n', reason: 'eof' });
    expect(await fixture.exit(id, execId)).toMatchObject({ exitCode: 6, exitCodeKnown: true });
    await until(() => !existsSync(join(fixture.directory, 'run/execs', execId)));
    await fixture.runtime.delete(id);
  });

  test('loses nothing of a short process', async () => {
    const id = await fixture.create(['sleep', '1000']);
    await fixture.runtime.start(id);
    for (let i = 0; i < 10; i += 1) {
      const { attachment } = await fixture.runtime.exec({
        id,
        execId: newId(),
        process: fixture.process(['echo', String(i)]),
        openStdin: false,
        attach: true,
      });
      if (!attachment) throw new Error('no attachment');
      expect((await collect(attachment)).stdout).toBe(`${i}\n`);
    }
    await fixture.runtime.delete(id);
  });

  test('can have a terminal', async () => {
    const id = await fixture.create(['sleep', '1000'], { change: fixture.docker() });
    await fixture.runtime.start(id);
    const execId = newId();
    const { attachment } = await fixture.runtime.exec({
      id,
      execId,
      process: fixture.process(['sh', '-c', 'tty; stty size; read x; stty size; exit 2'], {
        terminal: true,
        consoleSize: { height: 20, width: 70 },
      }),
      openStdin: true,
      attach: true,
    });
    if (!attachment) throw new Error('no attachment');
    let stdout = '';
    const { promise, resolve } = Promise.withResolvers<void>();
    attachment.onOutput((_, chunk) => {
      stdout += decoder.decode(chunk);
      if (stdout.includes('20 70')) resolve();
    });
    await promise;
    await fixture.runtime.resize(id, execId, 21, 71);
    await attachment.write(Buffer.from('\n'));
    await attachment.ended;
    expect(stdout).toContain('/dev/pts/0');
    expect(stdout).toContain('21 71');
    expect((await fixture.exit(id, execId)).exitCode).toBe(2);
    await fixture.runtime.delete(id);
  });

  test('of what cannot run says why', async () => {
    const id = await fixture.create(['sleep', '1000']);
    await fixture.runtime.start(id);
    const run = (args: string[], terminal = false): Promise<unknown> =>
      fixture.runtime.exec({
        id,
        execId: newId(),
        process: fixture.process(args, { terminal }),
        openStdin: false,
        attach: true,
      });
    await expect(run(['nosuch'])).rejects.toThrow(
      'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown',
    );
    await expect(run(['/etc/notexec'], true)).rejects.toThrow('permission denied');
    await expect(run(['/no/such'], true)).rejects.toThrow('no such file or directory');
    expect(readdirSync(join(fixture.directory, 'run/execs'))).toEqual([]);
    await fixture.runtime.delete(id);
  });
});

test('execs that failed leave no zombie that keeps the container from ending', async () => {
  for (let i = 0; i < 5; i += 1) {
    const id = await fixture.create(['sleep', '1000']);
    await fixture.runtime.start(id);
    const run = (args: string[], attach: boolean): Promise<unknown> =>
      fixture.runtime.exec({ id, execId: newId(), process: fixture.process(args), openStdin: false, attach });
    await run(['sleep', '1000'], false);
    await expect(run(['nosuch'], i % 2 === 0)).rejects.toThrow('not found');
    await fixture.runtime.signal(id, 9);
    expect((await fixture.exit(id)).exitCode).toBe(137);
    await fixture.runtime.delete(id);
    expect(leftovers(id)).toEqual([]);
  }
});

describe('after a restart of the daemon', () => {
  test('a running container and its exec are found again', async () => {
    const id = await fixture.create(['sh', '-c', 'read x; exit $x'], { openStdin: true });
    await fixture.runtime.start(id);
    const execId = newId();
    await fixture.runtime.exec({
      id,
      execId,
      process: fixture.process(['sh', '-c', 'sleep 0.3; exit 12']),
      openStdin: false,
      attach: false,
    });
    const runtime = await fixture.restart();
    const adopted = await runtime.adopt({ id, pid: 0, monitorPid: 0 });
    expect(adopted.state).toBe('running');
    expect((await fixture.exit(id, execId)).exitCode).toBe(12);
    const attachment = await runtime.attach(id);
    await attachment.write(Buffer.from('8\n'));
    expect(await fixture.exit(id)).toMatchObject({ exitCode: 8, exitCodeKnown: true });
    await runtime.delete(id);
    expect(leftovers(id)).toEqual([]);
  });

  test('a log that was renamed but not reopened is opened again', async () => {
    const logPath = join(fixture.directory, 'restart.log');
    const id = await fixture.create(['sh', '-c', 'echo one; read x; echo two; read x'], {
      openStdin: true,
      logPath,
    });
    await fixture.runtime.start(id);
    await until(() => existsSync(logPath) && readFileSync(logPath, 'utf8').includes('one'));
    renameSync(logPath, `${logPath}.1`);
    const runtime = await fixture.restart();
    expect((await runtime.adopt({ id, pid: 0, monitorPid: 0 })).state).toBe('running');
    await until(() => existsSync(logPath));
    const attachment = await runtime.attach(id);
    await attachment.write(Buffer.from('x\n'));
    await until(() => readFileSync(logPath, 'utf8').includes('two'));
    expect(readFileSync(`${logPath}.1`, 'utf8')).toEndWith(' stdout F one\n');
    await runtime.delete(id);
  });

  test('one that ended meanwhile has its true code and time', async () => {
    const id = await fixture.create(['sh', '-c', 'exit 21']);
    const before = Date.now();
    await fixture.runtime.start(id);
    await until(() => existsSync(join(fixture.directory, 'run/exits', id)));
    const after = Date.now();
    const runtime = await fixture.restart();
    const adopted = await runtime.adopt({ id, pid: 0, monitorPid: 0 });
    if (adopted.state !== 'ended') throw new Error(adopted.state);
    expect(adopted.exit).toMatchObject({ exitCode: 21, exitCodeKnown: true });
    expect(adopted.exit.finishedAt).toBeGreaterThanOrEqual(before - 5);
    expect(adopted.exit.finishedAt).toBeLessThanOrEqual(after + 5);
    await runtime.delete(id);
  });

  /** A started container; its monitor is stopped before its process can end. */
  async function withSlowMonitor(
    script: string,
  ): Promise<{ id: string; pid: number; monitorPid: number; ended: () => boolean }> {
    const id = newId();
    const bundle = fixture.bundle(id);
    await fixture.runtime.writeBundle(bundle, fixture.spec(id, ['sh', '-c', script]));
    const { pid, monitorPid } = await fixture.runtime.create({
      id,
      bundle,
      terminal: false,
      openStdin: false,
      stdinOnce: false,
      logPath: undefined,
      logMaxSize: 0,
    });
    process.kill(monitorPid, 'SIGSTOP');
    await fixture.runtime.start(id);
    return { id, pid, monitorPid, ended: () => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ') };
  }

  test('one whose monitor is slow to tell of its end is waited for: its code is not lost', async () => {
    const { id, pid, monitorPid, ended } = await withSlowMonitor('exit 7');
    await until(ended);
    const runtime = await fixture.restart();
    // It looks longer than anybody should have to wait for conmon, and then goes on without it.
    const adopted = await runtime.adopt({ id, pid, monitorPid });
    expect(adopted.state).toBe('running');
    expect(fixture.exits.filter((exit) => exit.id === id)).toEqual([]);
    process.kill(monitorPid, 'SIGCONT');
    expect(await fixture.exit(id)).toMatchObject({ exitCode: 7, exitCodeKnown: true });
    await runtime.delete(id);
    expect(leftovers(id)).toEqual([]);
  });

  test('one that has ended is deleted only after its monitor has told so: nothing is written afterwards', async () => {
    const { id, monitorPid, ended } = await withSlowMonitor('exit 7');
    await until(ended);
    setTimeout(() => process.kill(monitorPid, 'SIGCONT'), 500);
    await fixture.runtime.delete(id);
    await until(() => !existsSync(`/proc/${monitorPid}`));
    expect(leftovers(id)).toEqual([]);
  });

  test('an exit file without a code is no code', async () => {
    const { id, monitorPid } = await withSlowMonitor('sleep 1000');
    writeFileSync(join(fixture.directory, 'run/exits', id), '-1');
    expect(await fixture.exit(id)).toMatchObject({ exitCode: 255, exitCodeKnown: false });
    process.kill(monitorPid, 'SIGCONT');
    await fixture.runtime.delete(id);
  });

  test('one whose removal was cut short is gone, or has its code', async () => {
    const id = await fixture.create(['sh', '-c', 'exit 21']);
    await fixture.runtime.start(id);
    await fixture.exit(id);
    // Stands for kill -9 at the exit file: a directory is no file to be unlinked.
    const exitFile = join(fixture.directory, 'run/exits', id);
    rmSync(exitFile);
    mkdirSync(exitFile);
    await expect(fixture.runtime.delete(id)).rejects.toThrow();
    const runtime = await fixture.restart();
    expect(await runtime.adopt({ id, pid: 0, monitorPid: 0 })).toEqual({ state: 'gone' });
    rmdirSync(exitFile);
    await runtime.delete(id);
    // The bundle is its owner's.
    expect(leftovers(id).filter((path) => path.includes('/'))).toEqual([]);
  });

  test('one whose gate was opened but not removed is not waited for', async () => {
    const id = await fixture.create(['sleep', '1000']);
    await fixture.runtime.start(id);
    Bun.spawnSync({ cmd: ['mkfifo', join(fixture.directory, 'run/crun', id, 'exec.fifo')] });
    const runtime = await fixture.restart();
    const { state } = await runtime.adopt({ id, pid: 0, monitorPid: 0 });
    if (state === 'created') await runtime.start(id);
    expect((await runtime.adopt({ id, pid: 0, monitorPid: 0 })).state).toBe('running');
    await runtime.delete(id);
    expect(leftovers(id)).toEqual([]);
  });

  test('one whose monitor was killed too has no code, and an unknown one is gone', async () => {
    const id = newId();
    const bundle = fixture.bundle(id);
    await fixture.runtime.writeBundle(bundle, fixture.spec(id, ['sleep', '1000']));
    const { pid, monitorPid } = await fixture.runtime.create({
      id,
      bundle,
      terminal: false,
      openStdin: false,
      stdinOnce: false,
      logPath: undefined,
      logMaxSize: 0,
    });
    await fixture.runtime.start(id);
    await fixture.runtime.close();
    process.kill(monitorPid, 'SIGKILL');
    process.kill(pid, 'SIGKILL');
    const runtime = await fixture.restart();
    await until(
      () => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '),
    );
    const adopted = await runtime.adopt({ id, pid, monitorPid });
    expect(adopted.state).toBe('ended');
    expect(await runtime.adopt({ id: newId(), pid: 1, monitorPid: 1 })).toEqual({ state: 'gone' });
    await runtime.delete(id);
    expect(leftovers(id)).toEqual([]);
  });
});
