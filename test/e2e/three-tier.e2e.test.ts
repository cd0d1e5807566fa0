/**
 * nginx in front, a Python program behind it, Postgres on an internal network: who reaches whom, from the daemon's
 * machine and from another one, and what happens to it all when the daemon is killed.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { APP_PATIENCE, loadApps } from '../support/app-images.ts';
import { start, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { OtherMachine } from '../support/other-machine.ts';
import { tarBytes } from '../support/tar-bytes.ts';

let daemon: TestDaemon;
let other: OtherMachine;

/** As nginx's users write it for Docker: the name is asked again when its second is over. */
const SITE = `server {
  listen 80;
  resolver 127.0.0.11 valid=1s;
  location / { set $app app; proxy_pass http://$app:8000; }
}
`;
/** Counts its requests in the database; each has a connection of its own. */
const PROGRAM = `
import http.server, psycopg2
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with psycopg2.connect(host='db', user='postgres', password='secret', connect_timeout=5) as db, db.cursor() as cursor:
            cursor.execute('CREATE TABLE IF NOT EXISTS hits (n serial, path text)')
            cursor.execute('INSERT INTO hits (path) VALUES (%s) RETURNING n', (self.path,))
            text = f'hit {cursor.fetchone()[0]} from {self.headers.get("Host")}\\n'
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(('0.0.0.0', 8000), Handler).serve_forever()
`;

const docker = (...args: string[]) => daemon.ok('docker', args);
const fetchOf = (url: string) => ['busybox', 'timeout', '8', 'busybox', 'wget', '-q', '-O', '-', url];
const here = async (url: string) => (await daemon.inNetwork(fetchOf(url))).stdout;
/** Whether a connection comes about; `where` runs a program at some place. */
const opens = async (where: (argv: string[]) => Promise<{ code: number }>, host: string, port: number) =>
  (await where(['busybox', 'nc', '-w', '2', host, String(port)])).code === 0;
const fromHost = (argv: string[]) => daemon.inNetwork(argv);
const fromOther = (argv: string[]) => other.run(argv);
const fromContainer = (name: string) => (argv: string[]) => daemon.client('docker', ['exec', name, ...argv]);
const addressIn = (network: string, name: string) =>
  docker('inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, name);
const hits = async () =>
  Number(await docker('exec', 'db', 'psql', '-U', 'postgres', '-tAc', 'SELECT count(*) FROM hits'));

beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  await loadApps(daemon, 'nginx', 'postgres', 'python');
  other = await OtherMachine.connect(daemon.bridge);
  await docker('network', 'create', 'front');
  await docker('network', 'create', '--internal', 'back');
  await docker('run', '-d', '--name', 'db', '--net', 'back', '-e', 'POSTGRES_PASSWORD=secret', 'postgres');
  await docker('create', '--name', 'app', '--net', 'front', 'python', 'python3', '-c', PROGRAM);
  await docker('network', 'connect', 'back', 'app');
  await docker('create', '--name', 'web', '--net', 'front', '-p', '8080:80', 'nginx');
  await daemon.ok('docker', ['cp', '-', 'web:/etc/nginx/conf.d'], {
    input: tarBytes([{ name: 'default.conf', content: SITE }]),
  });
  await docker('start', 'app', 'web');
  await until(
    'a first answer',
    async () => (await here('http://127.0.0.1:8080/')).startsWith('hit '),
    60_000,
  );
}, APP_PATIENCE);
afterAll(async () => {
  await other?.[Symbol.asyncDispose]();
  await daemon?.stop();
}, 120_000);

test('requests from the host and from another machine go through all three tiers', async () => {
  const before = await hits();
  expect(await here('http://127.0.0.1:8080/a')).toBe(`hit ${before + 1} from app:8000\n`);
  expect(await here(`http://${OtherMachine.HOST}:8080/b`)).toBe(`hit ${before + 2} from app:8000\n`);
  const there = await other.run(fetchOf(`http://${OtherMachine.HOST}:8080/c`));
  expect(there.stdout).toBe(`hit ${before + 3} from app:8000\n`);
  expect(await hits()).toBe(before + 3);
  // nginx sees who asked.
  expect(await docker('logs', 'web')).toMatch(new RegExp(`^${OtherMachine.OWN} .*"GET /c`, 'm'));
}, 60_000);

test('only the first tier is reached: the others have no port on the host and no way in from elsewhere', async () => {
  const [app, appBack, db] = await Promise.all([
    addressIn('front', 'app'),
    addressIn('back', 'app'),
    addressIn('back', 'db'),
  ]);
  const gateway = await docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'front');
  for (const host of ['127.0.0.1', OtherMachine.HOST, gateway]) {
    expect([host, await opens(fromHost, host, 8080)]).toEqual([host, true]);
    const others = await Promise.all([80, 8000, 5432].map((port) => opens(fromHost, host, port)));
    expect([host, others]).toEqual([host, [false, false, false]]);
  }
  expect(await opens(fromOther, OtherMachine.HOST, 8080)).toBe(true);
  const web = await addressIn('front', 'web');
  const inside: Array<[string, number]> = [
    [web, 80],
    [app, 8000],
    [appBack, 8000],
    [db, 5432],
    [OtherMachine.HOST, 8000],
    [OtherMachine.HOST, 5432],
  ];
  const reached = await Promise.all(inside.map(([host, port]) => opens(fromOther, host, port)));
  expect(inside.filter((_, index) => reached[index])).toEqual([]);
  // The addresses were the right ones: a neighbour reaches them.
  await docker('run', '-d', '--name', 'probe', '--net', 'front', 'busybox', 'sleep', '1000');
  expect(await opens(fromContainer('probe'), app, 8000)).toBe(true);
  expect(await opens(fromContainer('probe'), db, 5432)).toBe(false);
  expect(await opens(fromContainer('probe'), appBack, 8000)).toBe(false);
  await docker('network', 'connect', 'back', 'probe');
  expect(await opens(fromContainer('probe'), 'db', 5432)).toBe(true);
  await docker('rm', '-f', 'probe');
}, 90_000);

test('nothing gets out of the internal network, not by a route of its own making either', async () => {
  expect(await docker('exec', 'db', 'cat', '/proc/net/route')).not.toMatch(/^eth\d\t00000000/m);
  for (const name of ['front', 'back']) {
    const gateway = await docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', name);
    const script = `ip route replace default via ${gateway}; exec sleep 1000`;
    const net = ['--net', name, '--cap-add', 'NET_ADMIN'];
    await docker('run', '-d', '--name', `goes-${name}`, ...net, 'busybox', 'sh', '-c', script);
    const routed = async () => (await docker('exec', `goes-${name}`, 'ip', 'route')).includes('default');
    await until('it has its route', routed);
  }
  const server = start(other.argv(['busybox', 'httpd', '-f', '-p', '9000', '-h', '/usr/share']));
  try {
    const heard = () => opens(fromContainer('goes-front'), OtherMachine.OWN, 9000);
    await until('a container of the front is heard outside', heard);
    expect(await opens(fromContainer('goes-back'), OtherMachine.OWN, 9000)).toBe(false);
  } finally {
    server.signal('SIGKILL');
    await server.exited();
  }
  await docker('rm', '-f', 'goes-front', 'goes-back');
}, 60_000);

test('a tier that is made anew is found again by its name', async () => {
  const before = await addressIn('front', 'app');
  await docker('rm', '-f', 'app');
  // Takes the address that is free now.
  await docker('run', '-d', '--name', 'squatter', '--net', 'front', 'busybox', 'sleep', '1000');
  await docker('create', '--name', 'app', '--net', 'front', 'python', 'python3', '-c', PROGRAM);
  await docker('network', 'connect', 'back', 'app');
  await docker('start', 'app');
  expect(await addressIn('front', 'app')).not.toBe(before);
  await until(
    'it answers again',
    async () => (await here('http://127.0.0.1:8080/')).startsWith('hit '),
    30_000,
  );
  await docker('rm', '-f', 'squatter');
}, 60_000);

test('kill -9 of the daemon: requests go on afterwards, through all tiers, and nothing has moved', async () => {
  const picture = () => docker('inspect', '-f', '{{json .NetworkSettings}}', 'web', 'app', 'db');
  const before = await picture();
  const count = await hits();
  await daemon.kill9();
  await daemon.start();
  expect(await picture()).toBe(before);
  await until('an answer', async () => (await here('http://127.0.0.1:8080/')).startsWith('hit '), 30_000);
  expect(await hits()).toBeGreaterThan(count);
}, 90_000);
