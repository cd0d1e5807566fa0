/** The daemon as a registry of its own images: for dockerd, for skopeo and for another daemon of ours. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { DockerEngine } from '../../bench/dockerd.ts';
import { Groups } from '../../bench/groups.ts';
import { busyboxTar } from '../support/busybox-image.ts';
import { must, run, start } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const groups = new Groups();
let docker: DockerEngine;
let daemon: TestDaemon;

beforeAll(async () => {
  docker = new DockerEngine();
  await docker.start();
  // Both in dockerd's namespace: the daemon listens where dockerd can reach it.
  daemon = await startDaemon({ args: ['--registry-addr', '127.0.0.1:5901'], inside: docker.inside });
}, 120_000);
afterAll(async () => {
  await daemon?.stop();
  await docker?.stop();
  groups.removeNew();
}, 60_000);

test('dockerd and skopeo pull what was made here, at once and with one digest', async () => {
  await daemon.ok('tare', ['import', '-c', 'CMD ["echo", "from tare"]', await busyboxTar(), 'made:v1']);
  const inspect = ['skopeo', 'inspect', '--tls-verify=false', 'docker://127.0.0.1:5901/made:v1'];
  const { Digest } = JSON.parse(await must([...docker.inside, ...inspect]));
  const inDocker = (...args: string[]) => must(docker.argv(args), { env: docker.env, timeout: 60_000 });
  await inDocker('pull', '127.0.0.1:5901/made:v1');
  expect(await inDocker('inspect', '-f', '{{index .RepoDigests 0}}', '127.0.0.1:5901/made:v1')).toBe(
    `127.0.0.1:5901/made@${Digest}`,
  );
  expect(await inDocker('run', '--rm', '--net', 'none', '127.0.0.1:5901/made:v1')).toBe('from tare');
}, 120_000);

test('`registry serve --engine` serves as long as it runs', async () => {
  const env = { DOCKER_HOST: `unix://${daemon.socket}` };
  const serving = start([daemon.program, 'registry', 'serve', '--engine', '--addr', '127.0.0.1:5902'], {
    env,
  });
  await serving.waitFor("the engine's images are served at 127.0.0.1:5902");
  const tags = ['skopeo', 'list-tags', '--tls-verify=false', 'docker://127.0.0.1:5902/library/busybox'];
  const shown = JSON.parse(await must([...docker.inside, ...tags]));
  expect(shown.Tags).toEqual(['latest']);
  await serving.waitFor('path=/v2/library/busybox/tags/list');
  const taken = await run([daemon.program, 'registry', 'serve', '--engine', '--addr', '127.0.0.1:5902'], {
    env,
  });
  expect([taken.code, taken.stderr.includes('cannot listen on 127.0.0.1:5902')]).toEqual([1, true]);
  const wrong = await run([daemon.program, 'registry', 'serve', '--engine', '--delete'], { env });
  expect([wrong.code, wrong.stderr]).toEqual([
    1,
    '--delete is for a folder and cannot be used with --engine\n',
  ]);
  serving.signal('SIGINT');
  await serving.exited();
  const gone = async () => (await run([...docker.inside, ...tags])).code !== 0;
  for (let i = 0; i < 50 && !(await gone()); i++) await Bun.sleep(50);
  expect(await gone()).toBe(true);
});
