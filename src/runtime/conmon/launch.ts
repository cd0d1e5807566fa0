import { closeFd } from '../../kernel/namespaces.ts';
import { makePipe, readNow, writeNow } from '../../kernel/pipe.ts';
import { SyncPipe } from './sync-pipe.ts';

/** What is the same for every monitor of this daemon. */
export interface MonitorSettings {
  /** Path of conmon. */
  readonly conmon: string;
  /** Path of crun. */
  readonly crun: string;
  /** crun's `--root`. */
  readonly crunRoot: string;
  /** crun is to ask systemd for the cgroups. */
  readonly systemdCgroup: boolean;
  /** Where conmon makes its console sockets; short, because a socket's address has 108 bytes. */
  readonly temporary: string;
  /** Hears of every monitor that is started. */
  readonly onStart: (pid: number, exited: Promise<void>) => void;
}

/** A monitor, just started. */
export interface LaunchedMonitor {
  readonly pid: number;
  readonly sync: SyncPipe;
  /** Resolves when the monitor itself has ended. */
  readonly exited: Promise<void>;
  /** With `handshake`: its attach socket is there and it waits for `go`. */
  readonly attachable: Promise<boolean> | undefined;
  readonly go: () => void;
  /** What conmon said on stderr before it went into the background; for errors. */
  readonly complaint: () => string;
}

/** Descriptors that the monitor finds its pipes at. */
const SYNC_FD = 3;
const START_FD = 4;
const ATTACH_FD = 5;

/**
 * Starts conmon with `options`. It is this process's own child (`--sync`: no second fork), in a session of its
 * own, and goes on when this process ends. With `handshake` (an exec that is attached to), it tells when its
 * attach socket is there and runs the process only after `go()`. `prefix` stands before crun's command line.
 */
export function launchMonitor(
  settings: MonitorSettings,
  directory: string,
  options: readonly string[],
  handshake: boolean,
  prefix: readonly string[] = [],
): LaunchedMonitor {
  const sync = makePipe();
  const errors = makePipe();
  const start = handshake ? makePipe() : undefined;
  const ready = handshake ? makePipe() : undefined;
  const [runtime = settings.crun, ...words] = [...prefix, settings.crun];
  const child = Bun.spawn({
    cmd: [
      settings.conmon,
      '--api-version',
      '1',
      '--sync',
      '--no-sync-log',
      '-r',
      runtime,
      ...words.map((word) => `--runtime-arg=${word}`),
      `--runtime-arg=--root=${settings.crunRoot}`,
      '--full-attach',
      ...(settings.systemdCgroup ? ['--systemd-cgroup'] : []),
      ...options,
    ],
    cwd: directory,
    env: {
      PATH: process.env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      TMPDIR: settings.temporary,
      _OCI_SYNCPIPE: String(SYNC_FD),
      ...(handshake ? { _OCI_STARTPIPE: String(START_FD), _OCI_ATTACHPIPE: String(ATTACH_FD) } : {}),
    },
    stdio: [
      'ignore',
      'ignore',
      errors.writeEnd,
      sync.writeEnd,
      ...(start && ready ? [start.readEnd, ready.writeEnd] : []),
    ],
  });
  closeFd(sync.writeEnd);
  closeFd(errors.writeEnd);
  let attachable: Promise<boolean> | undefined;
  let go = (): void => {};
  if (start && ready) {
    closeFd(start.readEnd);
    closeFd(ready.writeEnd);
    const pipe = new SyncPipe(ready.readEnd);
    // conmon waits for a first byte before it does anything and, with --exec-attach, for a second one.
    const byte = Uint8Array.of(0);
    writeNow(start.writeEnd, byte, 'start pipe');
    attachable = pipe.next().then((message) => {
      pipe.close();
      return message !== undefined;
    });
    go = () => {
      try {
        writeNow(start.writeEnd, byte, 'start pipe');
      } catch {
        // The monitor has gone; its sync pipe tells.
      }
      closeFd(start.writeEnd);
    };
  }
  const exited = child.exited.then(() => {});
  settings.onStart(child.pid, exited);
  let said: string | undefined;
  const complaint = (): string => {
    if (said === undefined) {
      const bytes = readNow(errors.readEnd);
      closeFd(errors.readEnd);
      said = typeof bytes === 'string' ? '' : bytes.toString('utf8').trim();
    }
    return said;
  };
  return { pid: child.pid, sync: new SyncPipe(sync.readEnd), exited, attachable, go, complaint };
}
