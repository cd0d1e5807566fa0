import { signalName } from '../../base/signals.ts';
import { formatSize } from '../../base/sizes.ts';
import type { Container, ProbeResult } from './model.ts';

/** A client of the API, as the kernel told when it connected. */
export interface ApiClient {
  /** 0: in a pid namespace that the daemon cannot see. */
  readonly pid: number;
  readonly uid: number;
  /** Name of its program; empty when it could not be read. */
  readonly program: string;
}

/** Why Tare itself wants a container to end; in the row before the first signal goes out. */
export interface Ending {
  readonly cause: 'client' | 'health' | 'monitor' | 'shutdown';
  /** What the client asked for. */
  readonly verb: 'stop' | 'kill' | 'restart' | 'remove';
  readonly client?: ApiClient | undefined;
  readonly signal: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Seconds of grace that it outlived, after which it was killed. */
  readonly outlived?: number;
}

/** Who or what ended a container. */
export type DeathReason =
  /** It exited by itself. */
  | 'exit'
  /** It died of a fault of its own, such as SIGSEGV. */
  | 'crash'
  /** A client of the API stopped, killed or removed it. */
  | 'client'
  /** A client restarted it. */
  | 'restart'
  /** It outlived the grace period of a stop and was killed. */
  | 'stop-timeout'
  /** Its health check failed, and `--restart-unhealthy` was given. */
  | 'health'
  /** The kernel killed it for lack of memory. */
  | 'oom'
  /** The machine went down. */
  | 'shutdown'
  /** Its monitor (conmon) was killed. */
  | 'monitor'
  /** A signal that nobody in Tare sent. */
  | 'outside'
  /** Nobody saw it end. */
  | 'unknown';

/** What the kernel did when memory ran out. */
export interface OomKill {
  /** Bytes; 0: the machine itself ran out. */
  readonly limit: number;
  /** Name and pid (on the host) of the process that was killed; empty and 0: not known. */
  readonly process: string;
  readonly pid: number;
}

/** The last end of a container: what `inspect` shows as `State.Death`. */
export interface Death {
  readonly reason: DeathReason;
  /** One sentence for people. */
  readonly text: string;
  /** `SIGKILL`, or empty when it was not ended by a signal. */
  readonly signal: string;
  readonly client?: ApiClient | undefined;
  readonly oom?: OomKill | undefined;
  /** The last result of its health check. */
  readonly health?: ProbeResult | undefined;
  /** Its last lines of output. */
  readonly log: readonly string[];
}

/** An end and what was found out about it. */
export interface Autopsy {
  readonly exitCode: number;
  readonly exitCodeKnown: boolean;
  readonly oomKilled: boolean;
  /** Milliseconds since the epoch. */
  readonly finishedAt: number;
  /** The machine was started anew since. */
  readonly rebooted: boolean;
  readonly oom?: OomKill | undefined;
  readonly log: readonly string[];
}

/** Signals that come of what the program did itself. */
const FAULTS = [
  'SIGSEGV',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGSYS',
  'SIGTRAP',
  'SIGPIPE',
  'SIGXCPU',
  'SIGXFSZ',
];
/** After a signal other than SIGKILL, a container that ends in this time ended of it. Milliseconds. */
const EFFECT = 10_000;

/** Finds out why a container ended; pure. `container`: as it was when it ended. */
export function explainDeath(container: Pick<Container, 'state' | 'hostConfig'>, end: Autopsy): Death {
  const { state } = container;
  const signal = signalOf(end);
  const ending = effective(state.ending, end, signal);
  const reason = reasonOf(end, ending, signal);
  return {
    reason,
    text: sentence(reason, container, end, ending, signal),
    signal,
    ...(ending?.client && { client: ending.client }),
    ...(reason === 'oom' && end.oom && { oom: end.oom }),
    ...(state.health?.log.length && { health: state.health.log.at(-1) }),
    log: end.log,
  };
}

/** The monitor tells a signal only as 128 + its number, as a shell does. */
function signalOf({ exitCode, exitCodeKnown }: Autopsy): string {
  if (!exitCodeKnown || exitCode <= 128 || exitCode > 128 + 64) return '';
  return signalName(exitCode - 128);
}

/** The request that led to this end, if one did: a signal may have been sent long before, for another purpose. */
function effective(ending: Ending | undefined, end: Autopsy, signal: string): Ending | undefined {
  if (ending?.cause !== 'client' || ending.verb !== 'kill') return ending;
  return signalName(ending.signal) === signal || end.finishedAt - ending.at < EFFECT ? ending : undefined;
}

function reasonOf(end: Autopsy, ending: Ending | undefined, signal: string): DeathReason {
  if (ending?.cause === 'monitor') return 'monitor';
  if (ending?.cause === 'health') return 'health';
  if (ending?.cause === 'shutdown' || (end.rebooted && !end.exitCodeKnown)) return 'shutdown';
  if (ending?.outlived !== undefined && (signal === 'SIGKILL' || !end.exitCodeKnown)) return 'stop-timeout';
  if (ending) return ending.verb === 'restart' ? 'restart' : 'client';
  if (!end.exitCodeKnown) return 'unknown';
  if (end.oomKilled && end.exitCode !== 0) return 'oom';
  if (signal === '') return 'exit';
  return FAULTS.includes(signal) ? 'crash' : 'outside';
}

function sentence(
  reason: DeathReason,
  { state, hostConfig }: Pick<Container, 'state' | 'hostConfig'>,
  end: Autopsy,
  ending: Ending | undefined,
  signal: string,
): string {
  const asked = ending && `${VERBS[ending.verb]} by ${clientText(ending.client)}`;
  const sent = ending ? signalName(ending.signal) : '';
  switch (reason) {
    case 'exit':
      return `exited by itself with code ${end.exitCode}`;
    case 'crash':
      return `crashed with ${signal}`;
    case 'client':
    case 'restart':
      return `${asked} with ${sent}${end.exitCodeKnown ? '' : '; nobody saw the end'}`;
    case 'stop-timeout':
      return `${asked}; it outlived ${sent} by ${ending?.outlived} s and was killed`;
    case 'health':
      return `unhealthy: ${firstLine(state.health?.log.at(-1))}; ended with ${sent} to be started again`;
    case 'oom':
      return oomText(end, hostConfig.resources?.memory ?? 0);
    case 'shutdown':
      return 'the machine went down while it ran';
    case 'monitor':
      return `conmon was killed, so it was ended with ${sent}${end.exitCodeKnown ? '' : '; nobody saw its exit code'}`;
    case 'outside':
      return `ended by ${signal} from outside Tare, or exited with code ${end.exitCode} by itself`;
    case 'unknown':
      return 'ended while neither the daemon nor conmon was there to see it';
  }
}

const VERBS: Record<Ending['verb'], string> = {
  stop: 'stopped',
  kill: 'killed',
  restart: 'restarted',
  remove: 'removed',
};

/** `docker (pid 12, uid 1000)`. */
export function clientText(client: ApiClient | undefined): string {
  if (!client) return 'a client of the API';
  const { pid, uid, program } = client;
  return `${program || 'a program'} (pid ${pid === 0 ? 'unknown' : pid}, uid ${uid})`;
}

function firstLine(result: ProbeResult | undefined): string {
  const line = result?.output.trim().split('\n', 1)[0];
  return line ? line.slice(0, 200) : `its check ended with ${result?.exitCode ?? 'nothing'}`;
}

function oomText({ oom, exitCode }: Autopsy, memory: number): string {
  const limit = oom?.limit ?? memory;
  const what = limit > 0 ? `its limit of ${formatSize(limit)}` : "the machine's memory";
  const who = oom?.process ? `${oom.process} (pid ${oom.pid})` : 'a process of it';
  return `out of memory: ${what} was reached and the kernel killed ${who}; exit code ${exitCode}`;
}
