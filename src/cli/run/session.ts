import { FrameDecoder } from '../../wire/stream-frames.ts';
import type { ByteStream } from '../client/byte-stream.ts';
import type { Console } from '../console.ts';
import { DetachFilter, parseDetachKeys } from '../terminal/detach-keys.ts';
import { rawMode } from '../terminal/terminal.ts';

export interface SessionOptions {
  readonly console: Console;
  readonly stream: ByteStream;
  readonly tty: boolean;
  /** What of the program's own is attached. */
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly detachKeys: string;
}

/** How a session ended: the container's streams did, or a person typed the detach keys. */
export type SessionEnd = 'ended' | 'detached';

/** The program's stdin, byte by byte as it comes. */
function readStdin(onData: (chunk: Uint8Array) => Promise<void>, onEnd: () => void): () => void {
  const { stdin } = process;
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    onEnd();
  };
  const take = (chunk: Uint8Array) => {
    // One chunk at a time: a container that doesn't read must not fill our memory.
    stdin.pause();
    onData(chunk).then(
      () => {
        if (!ended) stdin.resume();
      },
      () => {
        ended = true;
      },
    );
  };
  stdin.on('data', take);
  stdin.on('end', end);
  stdin.on('error', end);
  stdin.resume();
  return () => {
    ended = true;
    stdin.off('data', take);
    stdin.pause();
  };
}

/**
 * Joins a container's streams with the program's until the container's end. With a terminal both sides are one
 * raw stream; without, stdout and stderr arrive in frames and stay apart. The end of stdin is passed on and the
 * output goes on.
 */
export async function joinStreams(options: SessionOptions): Promise<SessionEnd> {
  const { stream, tty } = options;
  const restore = tty && options.stdin ? rawMode() : () => {};
  const { promise: detached, resolve: detach } = Promise.withResolvers<SessionEnd>();
  let stopInput = () => {};
  if (options.stdin) {
    const filter = tty ? new DetachFilter(parseDetachKeys(options.detachKeys)) : undefined;
    stopInput = readStdin(
      async (chunk) => {
        const typed = filter?.push(chunk);
        const bytes = typed?.bytes ?? chunk;
        if (bytes.length > 0) await stream.write(bytes);
        if (typed?.detached) detach('detached');
      },
      () => stream.endWrite(),
    );
  } else stream.endWrite();
  try {
    return await Promise.race([copyOutput(options), detached]);
  } finally {
    stopInput();
    restore();
    stream.close();
  }
}

async function copyOutput({ stream, tty, console, stdout, stderr }: SessionOptions): Promise<SessionEnd> {
  const decoder = new FrameDecoder((name, payload) => {
    if (name === 'stdout') {
      if (stdout) console.out(payload);
    } else if (stderr) console.err(payload);
  });
  for (;;) {
    const chunk = await stream.read();
    if (chunk === undefined) return 'ended';
    if (!tty) decoder.push(chunk);
    else if (stdout || stderr) console.out(chunk);
  }
}
