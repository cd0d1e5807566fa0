import { messageOf } from '../../base/errors.ts';
import type { ContainerService, WaitCondition } from '../../engine/containers/containers.ts';
import type { StopOptions } from '../../engine/containers/supervisor.ts';
import type { ContainerWaitResponse } from '../../wire/containers.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { integer, text } from '../query.ts';
import type { Route } from '../router.ts';

type Containers = Pick<
  ContainerService,
  'get' | 'start' | 'stop' | 'restart' | 'kill' | 'pause' | 'unpause' | 'wait'
>;

/** Seven bytes are `{}` and a line break as various clients send them. */
const MAX_START_BODY = 7;

/** Starting, stopping and waiting for containers. */
export function containerLifecycleRoutes(containers: Containers): Route[] {
  const post = (verb: string, act: (x: Exchange) => Promise<void>): Route => ({
    method: 'POST',
    pattern: `/containers/{name}/${verb}`,
    async handle(x) {
      await act(x);
      x.empty(204);
    },
  });
  return [
    post('start', (x) => {
      if (Number(x.request.headers['content-length'] ?? 0) > MAX_START_BODY) {
        throw new HttpError(
          400,
          'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
        );
      }
      if (text(x, 'checkpoint') !== '') {
        throw new HttpError(400, 'checkpoints are only supported in experimental mode');
      }
      return containers.start(x.param);
    }),
    post('stop', (x) => containers.stop(x.param, stopOptions(x))),
    post('restart', (x) => containers.restart(x.param, stopOptions(x))),
    post('kill', (x) => containers.kill(x.param, text(x, 'signal'), x.client)),
    post('pause', (x) => containers.pause(x.param)),
    post('unpause', (x) => containers.unpause(x.param)),
    { method: 'POST', pattern: '/containers/{name}/wait', handle: (x) => wait(containers, x) },
  ];
}

function stopOptions(x: Exchange): StopOptions {
  const timeout = integer(x, 't');
  const signal = text(x, 'signal');
  return { ...(timeout !== undefined && { timeout }), ...(signal !== '' && { signal }), client: x.client };
}

/**
 * The header of the answer goes out as soon as the wait is registered: the docker CLI starts the container only
 * after that, so that it cannot miss the exit.
 */
async function wait(containers: Containers, x: Exchange): Promise<void> {
  const condition = waitCondition(text(x, 'condition'));
  const { id } = containers.get(x.param);
  const exit = containers.wait(id, condition, x.signal);
  x.begin(200, { 'Content-Type': 'application/json' });
  let answer: ContainerWaitResponse;
  try {
    const { exitCode, error } = await exit;
    answer = { StatusCode: exitCode };
    if (error !== undefined && error !== '') answer.Error = { Message: error };
  } catch (error) {
    if (x.signal.aborted) {
      x.destroy();
      return;
    }
    answer = { StatusCode: -1, Error: { Message: messageOf(error) } };
  }
  x.response.end(`${JSON.stringify(answer)}\n`);
}

function waitCondition(name: string): WaitCondition {
  switch (name) {
    case '':
    case 'not-running':
      return 'not-running';
    case 'next-exit':
    case 'removed':
      return name;
    default:
      throw new HttpError(400, `invalid condition: ${JSON.stringify(name)}`);
  }
}
