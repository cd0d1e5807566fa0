import { messageOf, TareError } from '../../base/errors.ts';
import type { ContainerService, ExecConfig, IoSession } from '../../engine/containers/containers.ts';
import type { ExecInspect } from '../../wire/exec.ts';
import { encodeFrame } from '../../wire/stream-frames.ts';
import { readJson, requireJson } from '../body.ts';
import { createExecBody, startExecBody } from '../codec/bodies.ts';
import { parseDetachKeys } from '../detach-keys.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Route } from '../router.ts';
import { pumpSession } from '../session-pump.ts';
import { HEADER_PAUSE, streamType } from './container-streams.ts';
import { readSize } from './containers.ts';

type Containers = Pick<ContainerService, 'get' | 'createExec' | 'getExec' | 'startExec' | 'resizeExec'>;

/** Further processes in running containers. */
export function execRoutes(containers: Containers): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/containers/{name}/exec',
      async handle(x) {
        const { consoleSize, ...body } = await requireJson(x, createExecBody, 'No exec command specified');
        if ((body.cmd ?? []).length === 0) throw new HttpError(400, 'No exec command specified');
        detachKeys(body.detachKeys);
        const config: ExecConfig = {
          ...body,
          cmd: body.cmd ?? [],
          ...(isSize(consoleSize) ? { consoleSize } : {}),
        };
        x.json(201, { Id: await containers.createExec(x.param, config) });
      },
    },
    { method: 'POST', pattern: '/exec/{id}/start', handle: (x) => startExec(containers, x) },
    {
      method: 'POST',
      pattern: '/exec/{id}/resize',
      async handle(x) {
        const { height, width } = readSize(x);
        await containers.resizeExec(x.param, height, width);
        x.empty(200);
      },
    },
    {
      method: 'GET',
      pattern: '/exec/{id}/json',
      handle: (x) => x.json(200, inspectExec(containers, x.param)),
    },
  ];
}

function isSize(size: readonly [number, number]): boolean {
  return size[0] > 0 && size[1] > 0;
}

function detachKeys(keys: string): readonly number[] {
  return parseDetachKeys(keys, (bad) => `invalid detach keys (${bad}) provided`);
}

/**
 * As in dockerd, the connection is taken over before the process is started: why it could not be started is then
 * told in the stream, and its exit code (126, 127) by inspect.
 */
async function startExec(containers: Containers, x: Exchange): Promise<void> {
  const { consoleSize, ...body } = await readJson(x, startExecBody);
  const exec = containers.getExec(x.param);
  if (exec.running || exec.exitCode !== null) {
    throw new TareError('conflict', `exec ${exec.id} has already run`);
  }
  checkRunning(containers, exec.containerId);
  const options = { ...body, ...(isSize(consoleSize) ? { consoleSize } : {}) };
  if (body.detach) {
    await containers.startExec(exec.id, options);
    x.empty(200);
    return;
  }
  // As in dockerd, the request to start decides the framing, whatever the process has.
  const { tty } = body;
  const client = x.hijack(streamType(tty, x.version));
  let session: IoSession;
  try {
    session = await containers.startExec(exec.id, options);
  } catch (error) {
    const words = Buffer.from(`${messageOf(error)}\r\n`);
    await Bun.sleep(HEADER_PAUSE);
    client.write(tty ? words : encodeFrame('stdout', words));
    client.read(
      () => undefined,
      () => {},
    );
    client.end();
    return;
  }
  await pumpSession(client, session, {
    multiplex: !tty,
    stdin: exec.config.attachStdin,
    detachKeys: exec.config.tty ? detachKeys(exec.config.detachKeys) : undefined,
  });
}

function checkRunning(containers: Containers, id: string): void {
  const { state } = containers.get(id);
  if (state.status === 'paused') {
    throw new TareError('conflict', `Container ${id} is paused, unpause the container before exec`);
  }
  if (state.status !== 'running') throw new TareError('conflict', `container ${id} is not running`);
}

function inspectExec(containers: Containers, id: string): ExecInspect {
  const exec = containers.getExec(id);
  const { config } = exec;
  const [entrypoint, ...args] = config.cmd;
  const inspect: ExecInspect = {
    ID: exec.id,
    Running: exec.running,
    ExitCode: exec.exitCode,
    ProcessConfig: {
      tty: config.tty,
      entrypoint: entrypoint ?? '',
      arguments: args,
      privileged: config.privileged,
    },
    OpenStdin: config.attachStdin,
    OpenStderr: config.attachStderr,
    OpenStdout: config.attachStdout,
    CanRemove: exec.exitCode !== null,
    ContainerID: exec.containerId,
    DetachKeys: config.detachKeys,
    Pid: exec.pid,
  };
  if (config.user !== '') inspect.ProcessConfig.user = config.user;
  return inspect;
}
