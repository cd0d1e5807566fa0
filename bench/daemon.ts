/** What the engines with a daemon and Docker's API have in common. */
import { busyboxTar } from '../test/support/busybox-image.ts';
import { must, until } from '../test/support/command.ts';
import type { Engine } from './engine.ts';

/** Starts a daemon that writes to `logFile`. */
export function startDaemon(argv: string[], logFile: string): Bun.Subprocess {
  const log = Bun.file(logFile);
  return Bun.spawn(argv, { cwd: '/', stdin: 'ignore', stdout: log, stderr: log });
}

/** Waits until the daemon answers, at most `patience` milliseconds, and gives it the image `busybox`. */
export async function untilReady(
  engine: Engine,
  socket: string,
  logFile: string,
  patience: number,
): Promise<void> {
  await until(`${engine.name} answers`, () => answers(socket), patience).catch(async (error: Error) => {
    throw new Error(`${error.message}\n${(await Bun.file(logFile).text()).slice(-4000)}`);
  });
  await must(engine.argv(['import', '-c', 'CMD ["sh"]', await busyboxTar(), 'busybox']), { env: engine.env });
}

/** True when something answers `/_ping` on the socket. */
async function answers(socket: string): Promise<boolean> {
  try {
    return (await fetch('http://engine/_ping', { unix: socket })).ok;
  } catch {
    return false;
  }
}

/** Removes all containers of an engine. */
export async function removeAll(engine: Engine): Promise<void> {
  const list = await must(engine.argv(['ps', '-aq']), { env: engine.env }).catch(() => '');
  const ids = list.split('\n').filter(Boolean);
  const fast = engine.name.startsWith('podman') ? ['-t', '0'] : [];
  if (ids.length > 0)
    await must(engine.argv(['rm', '-f', ...fast, ...ids]), { env: engine.env, timeout: 600_000 });
}
