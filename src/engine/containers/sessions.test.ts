import { describe, expect, test } from 'bun:test';
import type { Attachment } from '../../runtime/runtime.ts';
import { Session } from './sessions.ts';
import { selectProcesses } from './top.ts';
import { Waiters } from './waiters.ts';

class FakeAttachment implements Attachment {
  readonly end = Promise.withResolvers<'eof' | 'closed' | 'overrun'>();
  readonly ended = this.end.promise;
  readonly written: string[] = [];
  calls: string[] = [];
  emit: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void = () => {};
  onOutput(listener: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void): void {
    this.emit = listener;
  }
  async write(chunk: Uint8Array): Promise<void> {
    this.written.push(Buffer.from(chunk).toString());
  }
  async closeInput(): Promise<void> {
    this.written.push('<eof>');
  }
  pause(): void {
    this.calls.push('pause');
  }
  resume(): void {
    this.calls.push('resume');
  }
  close(): void {
    this.calls.push('close');
    this.end.resolve('closed');
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const ALL = { stdin: true, stdout: true, stderr: true };

describe('Session', () => {
  test('input written before the process exists reaches it in order', async () => {
    const session = new Session(false, ALL);
    const done = Promise.all([session.write(bytes('a')), session.write(bytes('b')), session.closeInput()]);
    const attachment = new FakeAttachment();
    session.connect(attachment);
    await done;
    expect(attachment.written).toEqual(['a', 'b', '<eof>']);
  });

  test('output that came before the listener is delivered first; unwanted streams are dropped', () => {
    const session = new Session(false, { stdin: false, stdout: true, stderr: false });
    const attachment = new FakeAttachment();
    session.connect(attachment);
    attachment.emit('stdout', bytes('1'));
    attachment.emit('stderr', bytes('no'));
    const seen: string[] = [];
    session.onOutput((stream, chunk) => seen.push(`${stream}:${Buffer.from(chunk)}`));
    attachment.emit('stdout', bytes('2'));
    expect(seen).toEqual(['stdout:1', 'stdout:2']);
  });

  test('a session that is closed or abandoned early lets its writers go', async () => {
    const closed = new Session(false, ALL);
    const write = closed.write(bytes('x'));
    closed.close();
    await write;
    expect(await closed.ended).toBe('closed');
    const late = new FakeAttachment();
    closed.connect(late);
    expect(late.calls).toEqual(['close']);
    const abandoned = new Session(false, ALL);
    abandoned.abandon();
    expect(await abandoned.ended).toBe('closed');
  });

  test('a pause before the connection holds', () => {
    const session = new Session(false, ALL);
    session.pause();
    const attachment = new FakeAttachment();
    session.connect(attachment);
    expect(attachment.calls).toEqual(['pause']);
  });
});

describe('Waiters', () => {
  test('exit and removal wake their own, a removal wakes all', async () => {
    const waiters = new Waiters();
    const exit = waiters.next('a', 'exit');
    const removed = waiters.next('a', 'removed');
    waiters.notify('a', 'exit', { exitCode: 3 });
    expect(await exit).toEqual({ exitCode: 3 });
    const never = waiters.next('a', 'exit');
    waiters.notify('a', 'removed', { exitCode: 4 });
    expect(await removed).toEqual({ exitCode: 4 });
    expect(await never).toEqual({ exitCode: 4 });
  });

  test('an aborted wait rejects', async () => {
    const controller = new AbortController();
    const waiting = new Waiters().next('a', 'exit', controller.signal);
    controller.abort();
    await expect(waiting).rejects.toThrow('cancelled');
  });
});

test('selectProcesses keeps the rows of the container and blanks in the command', () => {
  const output = 'UID PID PPID CMD\nroot 1 0 init\nroot 42 1 sleep 10 20\n';
  expect(selectProcesses(output, new Set(['42']))).toEqual({
    titles: ['UID', 'PID', 'PPID', 'CMD'],
    processes: [['root', '42', '1', 'sleep 10 20']],
  });
  expect(() => selectProcesses('A B\n', new Set())).toThrow("Couldn't find PID field");
});
