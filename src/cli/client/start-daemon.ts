import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAM } from '../program.ts';
import { ByteStream } from './byte-stream.ts';

/** Where a daemon started by the client writes its log. */
export const DAEMON_LOG = '/var/log/tare.log';
/** Milliseconds after which a daemon that does not answer is given up. */
const START_LIMIT_MS = 30_000;

/** The words that start this program again: itself when compiled, Bun and the entry otherwise. */
function ownCommand(): { program: string; words: string[] } {
  const entry = process.argv[1] ?? '';
  const compiled = entry.startsWith('/$bunfs/') || entry === '';
  return { program: process.execPath, words: compiled ? [] : [entry] };
}

async function answers(socketPath: string): Promise<boolean> {
  try {
    (await ByteStream.connect(socketPath)).close();
    return true;
  } catch {
    return false;
  }
}

function lastLines(path: string, from: number): string {
  try {
    const lines = readFileSync(path).subarray(from).toString().trimEnd().split('\n');
    return lines.slice(-5).join('\n');
  } catch {
    return '';
  }
}

/**
 * Starts a daemon of its own session in the background and waits until it answers at `socketPath`.
 * Two clients at once may both come here: the daemons' lock lets one of them win and both clients find it.
 * @returns what went wrong, or undefined.
 */
export async function startDaemonInBackground(
  socketPath: string,
  say: (text: string) => void,
): Promise<string | undefined> {
  let log: number;
  let logStart = 0;
  try {
    logStart = Bun.file(DAEMON_LOG).size;
    log = openSync(DAEMON_LOG, 'a', 0o640);
  } catch (error) {
    return `cannot open the log of a new daemon: ${(error as Error).message}`;
  }
  say(`No daemon answers: starting one in the background (log: ${DAEMON_LOG})\n`);
  const { program, words } = ownCommand();
  // detached: a session of its own, so that Ctrl-C and the terminal's end don't reach it.
  const child = spawn(program, [...words, 'daemon'], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
  });
  closeSync(log);
  let ended: string | undefined;
  child.once('exit', (code, signal) => {
    ended = signal === null ? `exit code ${code}` : `signal ${signal}`;
  });
  child.once('error', (error) => {
    ended = error.message;
  });
  child.unref();
  const deadline = Date.now() + START_LIMIT_MS;
  while (Date.now() < deadline) {
    if (await answers(socketPath)) return undefined;
    // The other client's daemon may be the one that comes up: an end of ours counts after a last look.
    if (ended !== undefined) {
      await sleep(500);
      if (await answers(socketPath)) return undefined;
      const reason = lastLines(DAEMON_LOG, logStart);
      return `the daemon ended while starting (${ended})${reason === '' ? '' : `:\n${reason}`}\nSee ${DAEMON_LOG}, or run it in the foreground: ${PROGRAM} daemon`;
    }
    await sleep(10);
  }
  return `the daemon does not answer at unix://${socketPath} after ${START_LIMIT_MS / 1000} seconds; see ${DAEMON_LOG}`;
}
