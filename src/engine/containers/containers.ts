import type { ApiClient } from './death.ts';
import type { Container, ContainerConfig, CreateContainer, EndpointSettings } from './model.ts';
import type { StopOptions } from './supervisor.ts';
import type { ContainerChange } from './updater.ts';

/**
 * What the engine does with containers. `ref` is a full id, a unique prefix of one, or a name (with or without a
 * leading slash); an unknown one throws `not-found` with Docker's words `No such container: REF`.
 */
export interface ContainerService {
  /** Throws `conflict` (name in use), `not-found` (image, volume driver), `invalid`. */
  create(request: CreateContainer): Promise<{ id: string; warnings: string[] }>;
  get(ref: string): Container;
  /** All containers, newest first. */
  list(): Container[];
  /** Bytes of the writable layer and of writable layer plus image, as `ps -s` shows. */
  size(ref: string): Promise<{ writable: number; total: number }>;
  /** Bytes of the log's files. */
  logSize(ref: string): number;

  /** Throws `not-modified` when it runs already. */
  start(ref: string): Promise<void>;
  /** Seconds, -1: wait for ever; undefined: the container's own or 10. Throws `not-modified` when it is not running. */
  stop(ref: string, options: StopOptions): Promise<void>;
  restart(ref: string, options: StopOptions): Promise<void>;
  /** Signal by name or number; empty: SIGKILL. Throws `conflict` when it is not running. */
  kill(ref: string, signal: string, client?: ApiClient): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  rename(ref: string, name: string): Promise<void>;
  /** Throws `conflict` when it runs and `force` is not set. `volumes`: anonymous volumes too. */
  remove(ref: string, options: RemoveOptions): Promise<void>;
  /** Resolves when the condition is met; the promise is registered before the call returns to the event loop. */
  wait(
    ref: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): Promise<{ exitCode: number; error?: string }>;
  resize(ref: string, height: number, width: number): Promise<void>;
  /** Changes restart policy and limits of a living container. */
  update(ref: string, change: ContainerChange): Promise<{ warnings: string[] }>;

  /** Takes it into a further network, running or not. Throws `invalid`, `forbidden` when it is there already. */
  connect(network: string, ref: string, settings: EndpointSettings): Promise<void>;
  /** Takes it out. Throws `forbidden` when it is not in the network; `force`: a container that is gone is fine. */
  disconnect(network: string, ref: string, force: boolean): Promise<void>;

  /** For a container that does not run yet, output begins when it starts. */
  attach(ref: string, options: { stdin: boolean; stdout: boolean; stderr: boolean }): Promise<IoSession>;
  /** In pieces of many records. Throws `not-implemented` when the log driver keeps nothing here. */
  logs(ref: string, options: LogOptions): AsyncIterable<readonly LogRecord[]>;
  /** What the log options add to each record: `logs --details`. */
  logDetails(ref: string): Readonly<Record<string, string>>;
  /** `ps` of the container's processes; `psArgs` as for ps(1), default `-ef`. */
  top(ref: string, psArgs: string): Promise<{ titles: string[]; processes: string[][] }>;
  changes(ref: string): Promise<ReadonlyArray<{ kind: 'A' | 'C' | 'D'; path: string }>>;
  /** The whole root file system as a tar. */
  export(ref: string): Promise<ReadableStream<Uint8Array>>;
  /** Makes an image of the container; returns its id (`sha256:…`). */
  commit(ref: string, options: CommitOptions): Promise<string>;
  /** Removes stopped containers that `matches` accepts. */
  prune(matches: (container: Container) => boolean): Promise<{ deleted: string[]; reclaimed: number }>;

  createExec(ref: string, request: ExecConfig): Promise<string>;
  getExec(execId: string): Exec;
  /** Starts it with stdio connected; a detached one returns a session that has ended. */
  startExec(
    execId: string,
    options: { detach: boolean; tty: boolean; consoleSize?: [number, number] },
  ): Promise<IoSession>;
  resizeExec(execId: string, height: number, width: number): Promise<void>;
}

/** How to remove a container. `client`: who asks. */
export interface RemoveOptions {
  readonly force: boolean;
  readonly volumes: boolean;
  readonly link: boolean;
  readonly client?: ApiClient | undefined;
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** A client's end of a process's stdio. The meaning of the methods is that of runtime's Attachment. */
export interface IoSession {
  /** The process has a pty: output is raw, not framed by stream. */
  readonly tty: boolean;
  onOutput(listener: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void): void;
  readonly ended: Promise<'eof' | 'closed' | 'overrun'>;
  write(chunk: Uint8Array): Promise<void>;
  closeInput(): Promise<void>;
  pause(): void;
  resume(): void;
  close(): void;
}

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Nanoseconds since the epoch; 0: no limit. */
  readonly since: bigint;
  readonly until: bigint;
  /** Number of last lines, or -1 for all. */
  readonly tail: number;
  /** Ends the iteration. */
  readonly signal: AbortSignal;
}

export interface LogRecord {
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339 with nanoseconds, UTC. */
  readonly time: string;
  /** Bytes including the line's newline, if it had one. */
  readonly data: Uint8Array;
}

export interface CommitOptions {
  /** `name:tag`, or empty for an image without a name. */
  readonly reference: string;
  readonly comment: string;
  readonly author: string;
  readonly pause: boolean;
  /** What the image's configuration has instead of the container's; what is left open there is taken from it. */
  readonly config?: ContainerConfig;
  /** Dockerfile instructions (`CMD`, `ENV`, …). */
  readonly changes: readonly string[];
}

export interface ExecConfig {
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly detachKeys: string;
  readonly tty: boolean;
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly privileged: boolean;
  readonly consoleSize?: readonly [number, number];
}

export interface Exec {
  readonly id: string;
  readonly containerId: string;
  readonly config: ExecConfig;
  readonly running: boolean;
  readonly exitCode: number | null;
  readonly pid: number;
}
