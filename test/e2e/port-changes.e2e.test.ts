/** Ports of a container that is there already: published, taken away, taken by others. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const SERVER = ['busybox', 'sh', '-c', 'echo hello > /tmp/index.html; exec httpd -f -p 80 -h /tmp'];
const answers = async (port: number, host = '127.0.0.1') => {
  const url = `http://${host}:${port}/`;
  const { stdout } = await daemon.inNetwork(['timeout', '3', 'busybox', 'wget', '-q', '-O', '-', url]);
  return stdout === 'hello\n';
};
const serves = (port: number, host?: string) =>
  until(`port ${port} answers`, () => answers(port, host), 20_000);
/** Another program that listens on a port of the host's. */
const occupy = async (port: number) => {
  const script = `import socket,time\ns=socket.socket()\ns.bind(("0.0.0.0",${port}))\ns.listen()\nprint("bound",flush=True)\ntime.sleep(120)`;
  const namespace = ['nsenter', `--net=/run/netns/${daemon.bridge}`, '--'];
  const child = Bun.spawn([...namespace, 'python3', '-c', script], { stdout: 'pipe' });
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toContain('bound');
  return async () => {
    child.kill('SIGKILL');
    await child.exited;
  };
};

describe('update --publish-add and --publish-rm', () => {
  test('of a running container: at once, in every view, after a restart and a crash of the daemon', async () => {
    const id = await out('run', '-d', ...SERVER);
    expect(await out('update', '--publish-add', '9101:80', id)).toBe(id);
    await serves(9101);
    const shown = async () => {
      expect(await out('port', id)).toContain('80/tcp -> 0.0.0.0:9101');
      expect(await out('ps', '--filter', `id=${id}`, '--format', '{{.Ports}}')).toContain(
        '0.0.0.0:9101->80/tcp',
      );
      expect(await out('inspect', '-f', '{{json .HostConfig.PortBindings}}', id)).toBe(
        '{"80/tcp":[{"HostIp":"","HostPort":"9101"}]}',
      );
    };
    await shown();
    await daemon.kill9();
    await daemon.start();
    await shown();
    await serves(9101);
    await out('restart', '-t', '0', id);
    await shown();
    await serves(9101);
    await out('update', '--publish-add', '9102:80', '--publish-rm', '9101:80', id);
    await serves(9102);
    expect(await answers(9101)).toBe(false);
    expect(await out('port', id)).not.toContain('9101');
    await daemon.kill9();
    await daemon.start();
    await serves(9102);
    expect(await answers(9101)).toBe(false);
    await out('update', '--publish-rm', '80', id);
    expect(await out('port', id)).toBe('');
    expect(await answers(9102)).toBe(false);
    // Free for the next one.
    const next = await out('run', '-d', '-p', '9101:80', '-p', '9102:80', ...SERVER);
    await out('rm', '-f', id, next);
  }, 120_000);

  test('of a stopped one: from its next start', async () => {
    const id = await out('create', '-p', '9103:80', ...SERVER);
    await out('update', '--publish-rm', '9103:80', '--publish-add', '127.0.0.1:9104:80', id);
    await out('start', id);
    await serves(9104);
    expect(await out('port', id)).toBe('80/tcp -> 127.0.0.1:9104');
    await out('rm', '-f', id);
  }, 60_000);

  test('random ports and those of -P, each by the number that was given', async () => {
    const id = await out('run', '-d', '-P', '--expose', '80', '--expose', '81', ...SERVER);
    await out('update', '--publish-add', '127.0.0.1::80', '--publish-add', '127.0.0.1::80', id);
    const ports = async () =>
      (await out('port', id)).split('\n').flatMap((line) => /127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? []);
    const [one, two] = await ports();
    await serves(Number(one));
    await out('update', '--publish-rm', `127.0.0.1:${one}:80`, id);
    expect(await ports()).toEqual([two!]);
    await serves(Number(two));
    await out('update', '--publish-rm', '80', id);
    expect(await out('port', id)).toMatch(/^81\/tcp -> 0\.0\.0\.0:\d+/);
    await out('restart', '-t', '0', id);
    expect(await out('port', id)).toMatch(/^81\/tcp -> 0\.0\.0\.0:\d+/);
    await out('rm', '-f', id);
  }, 60_000);

  test('a taken port, and one that is not published: an error, and nothing changes', async () => {
    const release = await occupy(9105);
    try {
      const other = await out('run', '-d', '-p', '9106:80', ...SERVER);
      const id = await out('run', '-d', '-p', '9107:80', ...SERVER);
      await serves(9107);
      const before = await out('inspect', '-f', '{{json .HostConfig.PortBindings}}', id);
      const refused = async (...flags: string[]) => {
        const { code, stderr } = await daemon.tare('update', ...flags, id);
        expect(code).toBe(1);
        expect(await out('inspect', '-f', '{{json .HostConfig.PortBindings}}', id)).toBe(before);
        await serves(9107);
        return stderr;
      };
      expect(await refused('--publish-rm', '9107:80', '--publish-add', '9105:80')).toContain(
        'failed to bind host port 0.0.0.0:9105/tcp: address already in use',
      );
      expect(await refused('--publish-add', '9108:80', '--publish-add', '9106:80')).toContain(
        'Bind for 0.0.0.0:9106 failed: port is already allocated',
      );
      expect(await answers(9108)).toBe(false);
      expect(await refused('--publish-rm', '9109:80')).toMatch(/port 80\/tcp .* is not published at 9109/);
      expect(await refused('--publish-add', '9108:80', '-m', '1k')).toContain('memory');
      expect(await answers(9108)).toBe(false);
      await out('rm', '-f', id, other);
    } finally {
      await release();
    }
  }, 90_000);

  test('modes that publish nothing say why', async () => {
    const id = await out('run', '-d', '--network', 'host', 'busybox', 'sleep', '1000');
    const { code, stderr } = await daemon.tare('update', '--publish-add', '9110:80', id);
    expect(code).toBe(1);
    expect(stderr).toContain("uses the host's network");
    await out('rm', '-f', id);
  }, 60_000);
});

test('a port that another program took while the daemon was away: the container goes on, all say so, and it is held again', async () => {
  const id = await out('run', '-d', '-p', '127.0.0.1:9120:80', ...SERVER);
  await serves(9120);
  const since = String(Math.floor(Date.now() / 1000) - 1);
  await daemon.kill9();
  const release = await occupy(9120);
  try {
    await daemon.start();
    const ports = () => out('ps', '--filter', `id=${id}`, '--format', '{{.Ports}}');
    expect(await ports()).toBe('127.0.0.1:9120->80/tcp (taken by another program)');
    expect(await daemon.ok('docker', ['ps', '--filter', `id=${id}`, '--format', '{{.Ports}}'])).toBe(
      '127.0.0.1:9120->80/tcp',
    );
    expect(await out('inspect', '-f', '{{json .NetworkSettings.Ports}}', id)).toBe(
      '{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"9120","Problem":"taken by another program"}]}',
    );
    expect(await out('inspect', '-f', '{{.State.Status}}', id)).toBe('running');
    await serves(9120);
    await release();
    await until('it is held again', async () => (await ports()) === '127.0.0.1:9120->80/tcp', 20_000);
    await expect(occupy(9120)).rejects.toThrow();
    const events = await out('events', '--since', since, '--until', '0s', '--filter', `container=${id}`);
    expect(events).toMatch(/container port-taken .*hostPort=127\.0\.0\.1:9120\/tcp/);
    expect(events).toMatch(/container port-restored .*hostPort=127\.0\.0\.1:9120\/tcp/);
  } finally {
    await release();
  }
  await out('rm', '-f', id);
}, 90_000);
