/** Rows about networks that users make: making one, going into one, what a container on one costs. */
import { type Engine, timed } from './engine.ts';
import { median, type Workload } from './workloads.ts';

const NETWORK = 'bench-net';
const HELD = 'bench-held';
const PORT = 18_080;
const IDLE = ['busybox', 'sleep', '100000'];
const CROWD = 300;
/** Starts that the first and the last container's cost is the median of. */
const SAMPLES = 7;
/** Client processes at a time while the crowd is made. */
const AT_ONCE = 4;

const makeNetwork = async (engine: Engine) => void (await timed(engine, ['network', 'create', NETWORK]));
const removeNetwork = async (engine: Engine) => void (await timed(engine, ['network', 'rm', NETWORK]));
const now = (engine: Engine) => (engine.name.startsWith('podman') ? ['-t', '0'] : []);

/** Starts `count` containers on the network; how long each took. */
async function startOn(engine: Engine, ids: string[], count: number): Promise<number[]> {
  const times: number[] = [];
  for (let number = 0; number < count; number++) {
    const { milliseconds, stdout } = await timed(engine, ['run', '-d', '--net', NETWORK, ...IDLE]);
    ids.push(stdout);
    times.push(milliseconds);
  }
  return times;
}

export const NETWORK_WORKLOADS: readonly Workload[] = [
  {
    id: 'network',
    title: '`network create` + `rm`',
    target: '<= 0.3x',
    unit: 'ms',
    runs: 15,
    measure: async (engine) => {
      const create = await timed(engine, ['network', 'create', NETWORK]);
      const rm = await timed(engine, ['network', 'rm', NETWORK]);
      return create.milliseconds + rm.milliseconds;
    },
  },
  {
    id: 'connect',
    title: '`network connect` to a running container',
    target: '<= 0.3x',
    unit: 'ms',
    runs: 15,
    prepare: async (engine) => {
      await makeNetwork(engine);
      // podman takes containers of bridge networks only, so not of its own default for everybody.
      await timed(engine, ['network', 'create', `${NETWORK}-own`]);
      await timed(engine, ['run', '-d', '--net', `${NETWORK}-own`, '--name', HELD, ...IDLE]);
    },
    measure: async (engine) => {
      const { milliseconds } = await timed(engine, ['network', 'connect', NETWORK, HELD]);
      await timed(engine, ['network', 'disconnect', NETWORK, HELD]);
      return milliseconds;
    },
    finish: async (engine) => {
      await timed(engine, ['rm', '-f', ...now(engine), HELD]);
      await timed(engine, ['network', 'rm', `${NETWORK}-own`]);
      await removeNetwork(engine);
    },
  },
  {
    id: 'network-port',
    title: '`run` on a network of its own with a published port and an alias, over `--net none`',
    target: '<= 25 ms',
    unit: 'ms',
    runs: 15,
    prepare: makeNetwork,
    measure: async (engine) => {
      const on = ['--net', NETWORK, '--network-alias', 'web', '-p', `${PORT}:80`];
      const whole = await timed(engine, ['run', '--rm', ...on, 'busybox', 'true']);
      const bare = await timed(engine, ['run', '--rm', '--net', 'none', 'busybox', 'true']);
      return whole.milliseconds - bare.milliseconds;
    },
    finish: removeNetwork,
  },
  {
    id: 'network-300',
    title: `container ${CROWD} on a network, \`run -d\`, over the first`,
    target: '<= 1.2x',
    unit: 'x',
    runs: 1,
    tareOnly: true,
    prepare: makeNetwork,
    measure: async (engine, note) => {
      const ids: string[] = [];
      await timed(engine, ['run', '--rm', '--net', NETWORK, 'busybox', 'true']);
      const first = median(await startOn(engine, ids, SAMPLES));
      const rest = Math.ceil((CROWD - 2 * SAMPLES) / AT_ONCE);
      await Promise.all(Array.from({ length: AT_ONCE }, () => startOn(engine, ids, rest)));
      const last = median(await startOn(engine, ids, SAMPLES));
      note(`first ${first.toFixed(1)} ms, then ${last.toFixed(1)} ms`);
      for (let from = 0; from < ids.length; from += 100) {
        await timed(engine, ['rm', '-f', ...now(engine), ...ids.slice(from, from + 100)]);
      }
      return last / first;
    },
    finish: removeNetwork,
  },
];
