import { TareError } from '../../base/errors.ts';
import { shortId } from '../../base/ids.ts';
import type { MountRequest } from '../containers/model.ts';
import type { Image } from '../images/images.ts';
import type { StageParts, StepLayer } from './stage-builder.ts';

/** What a RUN runs. */
export interface StepRun {
  readonly image: Image;
  readonly command: readonly string[];
  /** What it has besides the image's environment. */
  readonly env: readonly string[];
  readonly mounts: readonly MountRequest[];
  readonly network: string;
  /** The statement, for messages. */
  readonly text: string;
}

/** Runs a command in a container of the image and gives what it changed. Throws `invalid` when it fails. */
export async function runStep(
  {
    containers,
    layerOf,
    tell,
    output,
    request,
  }: Pick<StageParts, 'containers' | 'layerOf' | 'tell' | 'output' | 'request'>,
  { image, command, env, mounts, network }: StepRun,
): Promise<StepLayer> {
  const { config, hostConfig, signal } = request;
  const { id } = await containers.create({
    name: undefined,
    platform: undefined,
    config: {
      ...config,
      image: image.id,
      cmd: [...command],
      entrypoint: [],
      env: [...env],
      healthcheck: { Test: ['NONE'] },
      attachStdout: true,
      attachStderr: true,
    },
    hostConfig: { ...hostConfig, networkMode: network, mounts: [...mounts] },
    endpoints: {},
  });
  const remove = (): Promise<void> => containers.remove(id, { force: true, volumes: true, link: false });
  const stop = (): void => void containers.kill(id, 'SIGKILL').catch(() => {});
  signal.addEventListener('abort', stop, { once: true });
  try {
    tell({ container: shortId(id) });
    const session = await containers.attach(id, { stdin: false, stdout: true, stderr: true });
    session.onOutput((stream, chunk) => output(stream, Uint8Array.from(chunk)));
    const ended = containers.wait(id, 'next-exit', new AbortController().signal);
    ended.catch(() => {});
    checkStopped(signal);
    await containers.start(id);
    // What came before it ran did not reach it.
    if (signal.aborted) stop();
    const { exitCode } = await ended;
    await session.ended;
    checkStopped(signal);
    if (exitCode !== 0) {
      throw new StepFailed(
        `The command '${command.join(' ')}' returned a non-zero code: ${exitCode}`,
        exitCode,
      );
    }
    return { layer: layerOf(id), done: remove };
  } catch (error) {
    await remove();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function checkStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new TareError('cancelled', 'the build was stopped');
}

/** A RUN that ended with another code than 0. */
export class StepFailed extends TareError {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super('invalid', message);
    this.exitCode = exitCode;
  }
}
