/** Rows about how fast bytes reach containers: through published ports, and from one to another (iperf3, one stream). */
import { must, until } from '../test/support/command.ts';
import { type Engine, timed } from './engine.ts';
import type { Workload } from './workloads.ts';

const SERVER = 'iperf-server';
const CLIENT = 'iperf-client';
const PORT = 15_201;
const INNER_PORT = 5201;
const SECONDS = 2;
/** An address of the host that is not of its loopback. */
const ADDRESS = '198.18.0.1';
const LINK = 'bench0';

async function inspect(engine: Engine, name: string, format: string): Promise<string> {
  return (await timed(engine, ['inspect', '-f', format, name])).stdout;
}

async function inNetworkOf(engine: Engine, name: string): Promise<string[]> {
  return ['nsenter', '-t', await inspect(engine, name, '{{.State.Pid}}'), '-n', '--'];
}

async function prepare(engine: Engine): Promise<void> {
  await must([...engine.inside, 'ip', 'link', 'add', LINK, 'type', 'veth', 'peer', 'name', `${LINK}p`]);
  await must([...engine.inside, 'ip', 'address', 'add', `${ADDRESS}/32`, 'dev', LINK]);
  await must([...engine.inside, 'ip', 'link', 'set', LINK, 'up']);
  const idle = ['busybox', 'sleep', '100000'];
  await timed(engine, ['run', '-d', '--name', SERVER, '-p', `${PORT}:${INNER_PORT}`, ...idle]);
  await timed(engine, ['run', '-d', '--name', CLIENT, ...idle]);
}

async function finish(engine: Engine): Promise<void> {
  await timed(engine, ['rm', '-f', SERVER, CLIENT]);
  await must([...engine.inside, 'ip', 'link', 'delete', LINK]);
}

/** Gbit/s that the server received from a client whose commands have this prefix. */
async function rate(engine: Engine, from: readonly string[], host: string, port: number): Promise<number> {
  const inside = await inNetworkOf(engine, SERVER);
  const server = Bun.spawn([...inside, 'iperf3', '-s', '-1'], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'ignore',
  });
  try {
    await until('iperf3 listens', async () =>
      (await must([...inside, 'cat', '/proc/net/tcp6', '/proc/net/tcp'])).includes(':1451 '),
    );
    const argv = ['iperf3', '-c', host, '-p', String(port), '-t', String(SECONDS), '-J'];
    const result = JSON.parse(await must([...from, ...argv])) as {
      end: { sum_received: { bits_per_second: number } };
    };
    return result.end.sum_received.bits_per_second / 1e9;
  } finally {
    server.kill();
    await server.exited;
  }
}

const row = (
  id: string,
  title: string,
  target: string,
  measure: (engine: Engine) => Promise<number>,
): Workload => ({ id, title, target, unit: 'Gbit/s', runs: 7, needsDaemon: true, prepare, measure, finish });

export const PORT_WORKLOADS: readonly Workload[] = [
  row('port-loopback', 'iperf3 to a published port on 127.0.0.1', '>= 1.2x', (engine) =>
    rate(engine, engine.inside, '127.0.0.1', PORT),
  ),
  row('port-host', 'iperf3 to a published port on an address of the host', '>= 0.95x', (engine) =>
    rate(engine, engine.inside, ADDRESS, PORT),
  ),
  row('port-none', 'iperf3 from container to container on one bridge', '>= 0.95x', async (engine) =>
    rate(
      engine,
      await inNetworkOf(engine, CLIENT),
      await inspect(engine, SERVER, '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'),
      INNER_PORT,
    ),
  ),
];
