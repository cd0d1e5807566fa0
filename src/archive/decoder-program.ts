import { spawn } from 'node:child_process';
import { TareError } from '../base/errors.ts';

/** Compressions that are rare enough to be left to a program of the machine, as Docker does it with xz. */
export type ProgramCompression = 'bzip2' | 'xz';

/** The command line that decompresses standard input, and the Debian package that has it. */
const PROGRAMS: Readonly<Record<ProgramCompression, { argv: readonly string[]; package: string }>> = {
  bzip2: { argv: ['bzip2', '-dc'], package: 'bzip2' },
  // A dictionary larger than that is no archive of anybody's.
  xz: { argv: ['xz', '-dcq', '--memlimit-decompress=1GiB'], package: 'xz-utils' },
};

/**
 * The plain bytes of a bzip2 or xz stream. Throws `corrupt` for damaged or truncated input, `unavailable` when the
 * program is not installed. Leaving the loop early ends the program and cancels the source.
 */
export async function* throughProgram(
  source: AsyncIterable<Uint8Array>,
  kind: ProgramCompression,
): AsyncGenerator<Uint8Array> {
  const { argv, package: owner } = PROGRAMS[kind];
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  const { stdin, stdout, stderr } = child;
  let complaint = '';
  stderr.on('data', (text: Buffer) => {
    if (complaint.length < 1000) complaint += text.toString('utf8');
  });
  const ended = new Promise<number | Error>((resolve) => {
    child.once('error', resolve);
    child.once('close', (code) => resolve(code ?? -1));
  });
  // A program that ends early breaks the pipe; why it did so is what counts.
  stdin.on('error', () => {});
  let failure: unknown;
  const feed = (async (): Promise<void> => {
    for await (const chunk of source) {
      if (stdin.destroyed) return;
      if (!stdin.write(chunk)) await drained(stdin);
    }
    stdin.end();
  })().catch((error: unknown) => {
    failure = error;
    child.kill('SIGKILL');
  });
  try {
    for await (const chunk of stdout) yield chunk as Uint8Array;
    const end = await ended;
    stdin.destroy();
    await feed;
    if (failure !== undefined) throw failure;
    if (end instanceof Error) {
      throw new TareError('unavailable', `cannot read ${kind} data: install the package ${owner}`, end);
    }
    if (end !== 0)
      throw new TareError(
        'corrupt',
        `invalid ${kind} data: ${complaint.trim().split('\n', 1)[0] || `exit code ${end}`}`,
      );
  } finally {
    stdin.destroy();
    child.kill('SIGKILL');
    await ended;
    await feed;
  }
}

/** Waits until a pipe takes more, or is gone. */
function drained(pipe: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      pipe.off('drain', go);
      pipe.off('close', go);
      resolve();
    };
    pipe.on('drain', go);
    pipe.on('close', go);
  });
}
