import type { Container } from '../../engine/containers/model.ts';
import type { StatisticsSample } from '../../engine/containers/statistics.ts';
import { statsToJson, statsToWire } from '../convert/statistics.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { flag, flagOr } from '../query.ts';
import type { Route } from '../router.ts';

type Dependencies = Pick<ApiDependencies, 'containers' | 'statistics'>;

/** `GET /containers/{id}/stats`: one reading, or one a second for as long as the client stays. */
export function statisticsRoutes({ containers, statistics }: Dependencies): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/containers/{name}/stats',
      async handle(x) {
        const stream = flagOr(x, 'stream', true);
        const oneShot = x.version >= 41 && flag(x, 'one-shot');
        if (stream && oneShot) throw new HttpError(400, 'cannot have stream=true and one-shot=true');
        const container = containers.get(x.param);
        if (stream) return await follow(statistics, container, x);
        if (oneShot) return answer(x, container, statistics.once(container.id), undefined);
        const pair = await statistics.pair(container.id);
        answer(x, container, pair?.now, pair?.before);
      },
    },
  ];
}

function answer(
  x: Exchange,
  container: Container,
  now: StatisticsSample | undefined,
  before: StatisticsSample | undefined,
): void {
  x.jsonText(200, statsToJson(statsToWire(container, now, before)));
}

async function follow(
  statistics: Dependencies['statistics'],
  container: Container,
  x: Exchange,
): Promise<void> {
  const { signal } = x;
  x.begin(200, { 'Content-Type': 'application/json' });
  let before: StatisticsSample | undefined;
  let writing = false;
  const gone = Promise.withResolvers<void>();
  const stop = statistics.watch(
    container.id,
    (now) => {
      // A client that does not read misses readings instead of piling them up.
      if (writing || signal.aborted) return;
      writing = true;
      const text = `${statsToJson(statsToWire(container, now, before))}\n`;
      before = now;
      void x.write(text).finally(() => {
        writing = false;
      });
    },
    gone.resolve,
  );
  signal.addEventListener('abort', () => gone.resolve());
  if (signal.aborted) gone.resolve();
  await gone.promise;
  stop();
  x.response.end();
}
