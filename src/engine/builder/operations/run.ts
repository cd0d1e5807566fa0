import { posix } from 'node:path';
import { TareError } from '../../../base/errors.ts';
import { shortId } from '../../../base/ids.ts';
import type { ImageRunConfig } from '../../../oci/image-config.ts';
import type { CreateContainer, HostConfig } from '../../containers/model.ts';
import type { Image } from '../../images/images.ts';
import { type Chain, EMPTY_CHAIN, keyOf, type Operation, type Task } from '../graph/graph.ts';
import type { CacheMounts } from './cache-mounts.ts';
import { clampTimes, epochKey } from './clamp-times.ts';
import type { Environment } from './environment.ts';
import { MountMaker, mountKeys, type PlannedMount } from './run-mounts.ts';

/** What a RUN runs. */
export interface RunOperation {
  readonly command: readonly string[];
  /** A script that is a file of its own in the container; the command names it. */
  readonly script: { readonly path: string; readonly content: string } | undefined;
  /** Of the image as it is at this step. */
  readonly config: ImageRunConfig;
  /** Id of the image that the stage began with, for whoever lists containers. */
  readonly imageId: string;
  readonly platform: { readonly os: string; readonly architecture: string };
  /** What it has besides the image's environment, and what of that counts for its key. */
  readonly env: readonly string[];
  readonly keyEnv: readonly string[];
  readonly network: 'default' | 'none' | 'host';
  readonly devices: ReadonlyArray<{ readonly name: string; readonly required: boolean }>;
  readonly mounts: readonly PlannedMount[];
}

/** A RUN that ended with another code than 0. */
export class StepFailed extends TareError {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super('invalid', message);
    this.exitCode = exitCode;
  }
}

/** The operation of a RUN. */
export function runOperation(run: RunOperation, environment: Environment, caches: CacheMounts): Operation {
  return {
    kind: 'operation',
    async prepare(inputs, task) {
      const [chain = EMPTY_CHAIN] = inputs;
      const { User, WorkingDir, Env } = run.config;
      const { extraHosts } = environment.request.hostConfig;
      const key = keyOf(
        'RUN',
        chain.id,
        [run.command, run.script, run.keyEnv, run.network, run.devices, extraHosts],
        { User, WorkingDir, Env },
        await mountKeys(run.mounts, inputs, environment),
        ...epochKey(environment.request),
      );
      return {
        key,
        run: () =>
          environment.limits.commands.run(task.signal, () =>
            perform(run, chain, inputs, environment, caches, task),
          ),
        close: async () => {},
      };
    },
  };
}

async function perform(
  run: RunOperation,
  chain: Chain,
  inputs: readonly Chain[],
  environment: Environment,
  caches: CacheMounts,
  task: Task,
): Promise<string> {
  const made = new MountMaker(environment, caches, inputs, task.signal);
  try {
    // In one order for all: two steps that lock the same caches must not wait for each other.
    for (const mount of run.mounts.toSorted(byCache)) await made.add(mount);
    if (run.script) await made.file(run.script.path, run.script.content, 0o755);
    const { containers, layers, layerOf } = environment;
    const { sourceDateEpoch: epoch } = environment.request;
    const { id } = await containers.create(containerOf(run, chain, made, environment));
    try {
      await runToEnd(id, run, environment, task);
      return (await layers.applyLayer(undefined, clampTimes(layerOf(id, made.hidden), epoch))).diffId;
    } finally {
      // The next step does not need it gone.
      environment.later(containers.remove(id, { force: true, volumes: true, link: false }));
    }
  } finally {
    await made.release();
  }
}

function containerOf(
  run: RunOperation,
  chain: Chain,
  made: MountMaker,
  { request }: Environment,
): CreateContainer {
  const { config, hostConfig } = request;
  const image = imageOf(run.imageId, run.platform, chain, run.config);
  return {
    name: undefined,
    platform: undefined,
    config: {
      ...config,
      image: run.imageId,
      cmd: withSecrets(run.command, made),
      entrypoint: [],
      env: [...run.env, ...made.env],
      healthcheck: { Test: ['NONE'] },
      attachStdout: true,
      attachStderr: true,
    },
    hostConfig: {
      ...hostConfig,
      networkMode: run.network === 'default' ? hostConfig.networkMode : run.network,
      mounts: made.mounts,
      resources: { ...hostConfig.resources, deviceRequests: devicesOf(run) },
    },
    endpoints: {},
    base: image,
    views: new Map([...made.views].map(([ref, view]) => [ref, imageOf(run.imageId, run.platform, view, {})])),
  };
}

function devicesOf({ devices }: RunOperation): HostConfig['resources']['deviceRequests'] {
  if (devices.length === 0) return [];
  const deviceIDs = devices.map(({ name }) => name);
  return [{ driver: 'cdi', count: 0, deviceIDs, capabilities: [], options: {} }];
}

/** A root that no image has, as one. Its VOLUMEs do not count: what a RUN writes there is to stay. */
function imageOf(
  id: string,
  { os, architecture }: RunOperation['platform'],
  { layers }: Chain,
  config: ImageRunConfig,
): Image {
  const { User, Env, WorkingDir } = config;
  return {
    id,
    config: {
      os,
      architecture,
      config: {
        ...(User !== undefined && { User }),
        ...(Env !== undefined && { Env }),
        ...(WorkingDir !== undefined && { WorkingDir }),
      },
      rootfs: { type: 'layers', diff_ids: layers },
    },
    repoTags: [],
    repoDigests: [],
    size: 0,
    createdAt: 0,
    parent: '',
    lastTagged: 0,
  };
}

/**
 * A container's environment is written down by the engine, so a secret is none of it: a shell reads it from its file
 * and becomes the command.
 */
function withSecrets(command: readonly string[], { secretEnv }: MountMaker): string[] {
  if (secretEnv.length === 0) return [...command];
  const lines = secretEnv.map(
    ({ name, path }) =>
      `${name}="$(cat '${posix.normalize(path)}'; printf x)"; export ${name}="\${${name}%x}"`,
  );
  return ['/bin/sh', '-c', `${lines.join('\n')}\nexec "$@"`, 'sh', ...command];
}

function byCache(one: PlannedMount, other: PlannedMount): number {
  const id = ({ mount }: PlannedMount): string => (mount.type === 'cache' ? mount.id : '');
  return id(one) < id(other) ? -1 : id(one) > id(other) ? 1 : 0;
}

async function runToEnd(
  id: string,
  run: RunOperation,
  { containers }: Environment,
  { signal, inContainer, output }: Task,
): Promise<void> {
  const stop = (): void => void containers.kill(id, 'SIGKILL').catch(() => {});
  signal.addEventListener('abort', stop, { once: true });
  try {
    inContainer(shortId(id));
    const session = await containers.attach(id, { stdin: false, stdout: true, stderr: true });
    session.onOutput((stream, chunk) => output(stream, new Uint8Array(chunk)));
    const ended = containers.wait(id, 'next-exit', new AbortController().signal);
    ended.catch(() => {});
    checkStopped(signal);
    await containers.start(id);
    // What came before it ran did not reach it.
    if (signal.aborted) stop();
    const { exitCode } = await ended;
    await session.ended;
    checkStopped(signal);
    if (exitCode === 0) return;
    throw new StepFailed(
      `The command '${run.command.join(' ')}' returned a non-zero code: ${exitCode}`,
      exitCode,
    );
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function checkStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new TareError('cancelled', 'the build was stopped');
}
