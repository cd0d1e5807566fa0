import { createContainerBody } from '../../../src/api/codec/bodies.ts';
import { decode } from '../../../src/api/codec/codec.ts';
import { TareError } from '../../../src/base/errors.ts';
import type { ContainerService, Exec, LogRecord } from '../../../src/engine/containers/containers.ts';
import type { Container, CreateContainer } from '../../../src/engine/containers/model.ts';
import { byteStream, FakeSession } from './fake-session.ts';

export const CONTAINER_ID = 'c0ffee'.padEnd(64, '0');
export const IMAGE_ID = `sha256:${'1f'.repeat(32)}`;
const MINUTE = 60_000;
/** Now, in all tests. */
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A running container named web of the image nginx; parts of it can be replaced. */
export function fakeContainer(
  body: unknown = { Image: 'nginx', Cmd: ['nginx', '-g', 'daemon off;'] },
  change: Partial<Container> = {},
): Container {
  const request = decode(createContainerBody, body);
  return {
    id: CONTAINER_ID,
    name: 'web',
    createdAt: NOW - 5 * MINUTE,
    imageId: IMAGE_ID,
    platform: 'linux',
    layers: [],
    snapshotter: 'overlay',
    config: request.config,
    // The engine gives a container a log driver when the request names none.
    hostConfig: { ...request.hostConfig, logConfig: { type: 'json-file', config: {} } },
    mounts: [],
    endpoints: [],
    ports: [],
    state: {
      status: 'running',
      pid: 42,
      monitorPid: 41,
      exitCode: 0,
      exitCodeKnown: true,
      error: '',
      oomKilled: false,
      startedAt: NOW - 2 * MINUTE,
      finishedAt: 0,
      restartCount: 0,
      manuallyStopped: false,
    },
    ...change,
  };
}

/** Nanoseconds as numbers: JSON has no bigint. */
function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

/** A container service whose methods tests replace as they need. */
export class FakeContainers implements ContainerService {
  items: Container[] = [fakeContainer()];
  created: CreateContainer[] = [];
  calls: string[] = [];
  session = new FakeSession(false);
  execs = new Map<string, Exec>();
  exits = Promise.withResolvers<{ exitCode: number; error?: string }>();
  waitSignal: AbortSignal | undefined;
  records: LogRecord[] = [];
  details: Record<string, string> = {};
  logSignal: AbortSignal | undefined;

  get(ref: string): Container {
    const bare = ref.replace(/^\//, '');
    const found = this.items.find((item) => item.name === bare || item.id.startsWith(bare));
    if (found === undefined) throw new TareError('not-found', `No such container: ${ref}`);
    return found;
  }

  #note(call: string, ref: string, ...more: unknown[]): void {
    this.calls.push(
      [call, this.get(ref).name, ...more.map((value) => JSON.stringify(value, plain))].join(' '),
    );
  }

  list(): Container[] {
    return this.items;
  }

  async create(request: CreateContainer) {
    this.created.push(request);
    return { id: CONTAINER_ID, warnings: ['careful'] };
  }

  async size() {
    return { writable: 10, total: 110 };
  }

  async start(ref: string) {
    this.#note('start', ref);
    if (this.get(ref).state.status === 'running') throw new TareError('not-modified', 'it runs');
  }

  async stop(ref: string, options: object) {
    this.#note('stop', ref, options);
  }

  async restart(ref: string, options: object) {
    this.#note('restart', ref, options);
  }

  async kill(ref: string, signal: string) {
    this.#note('kill', ref, signal);
  }

  async connect(network: string, ref: string, settings: object) {
    this.#note('connect', ref, network, settings);
  }

  async disconnect(network: string, ref: string, force: boolean) {
    this.#note('disconnect', ref, network, force);
  }

  async pause(ref: string) {
    this.#note('pause', ref);
  }

  async unpause(ref: string) {
    this.#note('unpause', ref);
  }

  async rename(ref: string, name: string) {
    this.#note('rename', ref, name);
  }

  async remove(ref: string, options: object) {
    this.#note('remove', ref, options);
  }

  async wait(ref: string, condition: string, signal: AbortSignal) {
    this.#note('wait', ref, condition);
    this.waitSignal = signal;
    return await this.exits.promise;
  }

  async resize(ref: string, height: number, width: number) {
    this.#note('resize', ref, height, width);
  }

  async update(ref: string, change: object) {
    this.#note('update', ref, change);
    return { warnings: [] };
  }

  async attach(ref: string, options: object) {
    this.#note('attach', ref, options);
    return this.session;
  }

  async *logs(ref: string, options: { follow: boolean; signal: AbortSignal }) {
    this.#note('logs', ref, { ...options, signal: undefined });
    this.logSignal = options.signal;
    if (this.records.length > 0) yield this.records;
    if (options.follow) {
      await new Promise<void>((resolve) => options.signal.addEventListener('abort', () => resolve()));
    }
  }

  logSize(ref: string) {
    this.get(ref);
    return 7;
  }

  logDetails(ref: string) {
    this.get(ref);
    return this.details;
  }

  async top() {
    return { titles: ['PID'], processes: [['1']] };
  }

  async changes() {
    return [{ kind: 'A' as const, path: '/new' }];
  }

  async export(): Promise<ReadableStream<Uint8Array>> {
    return byteStream(['tar', 'ball']);
  }

  async commit() {
    return IMAGE_ID;
  }

  async prune(matches: (container: Container) => boolean) {
    return { deleted: this.items.filter(matches).map((item) => item.id), reclaimed: 5 };
  }

  async createExec(ref: string, config: Exec['config']) {
    const container = this.get(ref);
    const exec = { id: 'e1', containerId: container.id, config, running: false, exitCode: null, pid: 0 };
    this.execs.set('e1', exec);
    return 'e1';
  }

  getExec(id: string): Exec {
    const exec = this.execs.get(id);
    if (exec === undefined) throw new TareError('not-found', `No such exec instance: ${id}`);
    return exec;
  }

  startError: TareError | undefined;

  async startExec(_id: string, _options: object) {
    if (this.startError !== undefined) throw this.startError;
    return this.session;
  }

  async resizeExec() {}
}
