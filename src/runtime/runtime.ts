import type { CgroupStatistics } from './cgroups/statistics.ts';
import type { OciProcess, OciResources, OciSpec } from './spec/oci-spec.ts';

/**
 * A runtime starts the processes of containers and keeps hold of them.
 *
 * - A *bundle* is a directory with the OCI `config.json` of one container.
 * - A *monitor* (conmon) is a small process per container or exec that holds its stdio, its pty and, when it
 *   ends, its exit code. It outlives the daemon, so a daemon that comes back asks the runtime again.
 * - *created*: the container's namespaces, cgroups and mounts exist and its first process waits at the gate;
 *   *started*: the gate is open.
 *
 * Example: `await rt.writeBundle(bundle, spec)`, then `const c = await rt.create({ id, bundle, … })` gives the pid of the waiting process; the caller
 * connects `rt.attach(id)` so as to miss nothing and opens the gate with `await rt.start(id)`. `rt.onExit`
 * tells when it has ended; `await rt.delete(id)` clears away what is left.
 *
 * After a restart of the daemon: `await rt.adopt(id)` finds the monitor again (or the exit code it left).
 */
export interface Runtime {
  /**
   * Writes the bundle's `config.json` (the directory is made); a seccomp policy that was compiled before goes in as
   * the compiled filter. Throws what the file system says.
   */
  writeBundle(bundle: string, spec: OciSpec): Promise<void>;
  /**
   * Writes nothing but the bundle's runtime files; `request.bundle` already has `config.json` by `writeBundle`.
   * Throws `invalid` with the runtime's words when the process cannot be made ready (bad command, bad mount).
   */
  create(request: CreateRequest): Promise<CreatedContainer>;
  /** A hint that `create` or `exec` will be called in a moment; what they would wait for begins to pass. */
  anticipate(): void;
  /** Opens the gate. Throws `invalid` when the program cannot be executed (see `ExecFailure`). */
  start(id: string): Promise<void>;
  /** Sends a signal (number) to the first process, or to all with `all`. Throws `not-found` when it has ended. */
  signal(id: string, signal: number, all?: boolean): Promise<void>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** Ends what still runs and removes runtime state, cgroups, monitor files. Idempotent. */
  delete(id: string): Promise<void>;
  /** Pids in the container's cgroup, as the host sees them. */
  pids(id: string): Promise<number[]>;
  /** What the container has used so far: about a dozen small files. Throws `not-found` when it has ended. */
  statistics(id: string): CgroupStatistics;
  /**
   * Changes those limits of a living container that are named; it has returned when the kernel holds them. Throws
   * `conflict`, `invalid` or `not-implemented` where the kernel refuses (then none is changed), `not-found` when the
   * container has ended.
   */
  setLimits(id: string, limits: OciResources): void;

  /** Runs a further process in a running container; it is started when the promise resolves. */
  exec(request: ExecRequest): Promise<StartedExec>;

  /** SIGKILL to an exec's process and its process group. One that has ended is no error. */
  killExec(id: string, execId: string): void;

  /** Connects to the stdio of a container (or, with `execId`, an exec). Throws `not-found` when it has ended. */
  attach(id: string, execId?: string): Promise<Attachment>;
  /** Sets the pty's size in cells. A process without a pty ignores it. */
  resize(id: string, execId: string | undefined, height: number, width: number): Promise<void>;

  /** Registers for the end of containers and execs, of this daemon's life or found by `adopt`. */
  onExit(listener: (exit: ProcessExit) => void): void;
  /** Registers for monitors that are gone while their container's process lives: nobody holds its stdio any more. */
  onMonitorLost(listener: (id: string) => void): void;
  /** The kernel found no memory for a container that runs, whether it killed a process or, told not to, waits. */
  onOutOfMemory(listener: (id: string) => void): void;
  /** Looks at a container that an earlier daemon started. */
  adopt(request: AdoptRequest): Promise<Adopted>;
  /** Tells the monitor to reopen the log file after it was renamed. */
  reopenLog(id: string): Promise<void>;
  /** What this machine's runtime can do, probed once. */
  features(): Promise<RuntimeFeatures>;
  /** Stops watchers and workers; containers go on. */
  close(): Promise<void>;
}

export interface CreateRequest {
  readonly id: string;
  /** Directory with config.json. Survives a reboot or not, as the caller likes. */
  readonly bundle: string;
  readonly terminal: boolean;
  /** Keep stdin open so that attachments can write to it. */
  readonly openStdin: boolean;
  /**
   * Close the process's stdin when the first attachment that wrote to it ends (Docker's StdinOnce). Without it,
   * `closeInput` of an attachment does nothing: stdin stays open for the next one, also over daemon restarts.
   */
  readonly stdinOnce: boolean;
  /** File that the monitor appends output to, in CRI format (`TIME STREAM P|F DATA`); undefined: no log. */
  readonly logPath: string | undefined;
  /** The log is rotated by the daemon at this size; the monitor's own limit is a backstop far above. Bytes. */
  readonly logMaxSize: number;
}

export interface CreatedContainer {
  /** Pid of the container's first process in the host's pid namespace. */
  readonly pid: number;
  readonly monitorPid: number;
}

export interface ExecRequest {
  readonly id: string;
  readonly execId: string;
  /** An OCI `process` object; `terminal` and `consoleSize` (the initial size) are in it. */
  readonly process: OciProcess;
  readonly openStdin: boolean;
  /** Connect to its stdio before it can write; false for a detached exec that nobody watches. */
  readonly attach: boolean;
  /** It ends with this daemon: a later one that finds it running kills it. */
  readonly transient?: boolean;
}

export interface StartedExec {
  readonly pid: number;
  /** Connected before the process could write; undefined when `attach` was false. */
  readonly attachment: Attachment | undefined;
}

/**
 * One client's connection to a process's stdio. Output comes as whole chunks by stream. The queue towards the
 * client is bounded: the consumer calls `pause()` when it cannot take more and `resume()` when it can again;
 * the runtime never lets a consumer that stays paused stall the container (it drops that consumer, and `ended`
 * then says `overrun`).
 */
export interface Attachment {
  /** Set once, right after attaching; chunks that came before are delivered first. */
  onOutput(listener: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void): void;
  /** Resolves when all output was delivered or the attachment was closed. */
  readonly ended: Promise<'eof' | 'closed' | 'overrun'>;
  /** Writes to stdin; resolves when the monitor took it (back-pressure). */
  write(chunk: Uint8Array): Promise<void>;
  /** End of stdin. */
  closeInput(): Promise<void>;
  pause(): void;
  resume(): void;
  close(): void;
}

export interface ProcessExit {
  readonly id: string;
  readonly execId: string | undefined;
  /** As a shell reports it: 128 + signal when killed by one. */
  readonly exitCode: number;
  /** Milliseconds since the epoch; the monitor's time, not the time it was noticed. */
  readonly finishedAt: number;
  readonly oomKilled: boolean;
  /** False when nobody saw the process end (monitor and daemon both died). */
  readonly exitCodeKnown: boolean;
}

export interface AdoptRequest {
  readonly id: string;
  readonly pid: number;
  readonly monitorPid: number;
}

export type Adopted =
  | { readonly state: 'running' | 'created' | 'paused'; readonly pid: number; readonly monitorPid: number }
  | { readonly state: 'ended'; readonly exit: ProcessExit }
  | { readonly state: 'gone' };

export interface RuntimeFeatures {
  readonly name: string;
  readonly version: string;
  readonly cgroupVersion: 1 | 2;
  /** Precompiled seccomp filters are taken from the annotation. */
  readonly seccompAnnotation: boolean;
}

/** Why a program could not be executed, as Docker's exit codes tell them apart. */
export type ExecFailure = 'not-found' | 'not-executable' | 'other';
