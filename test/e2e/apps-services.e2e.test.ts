/** nginx, Redis and a Node program as they are run: binds, tmpfs, read-only roots, asked from the host. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { haveApp } from '../../scripts/images/make-app-image.ts';
import { run, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { RespClient } from '../support/resp-client.ts';

/** Milliseconds; bounds against hangs. */
const PATIENCE = 600_000;

let daemon: TestDaemon;
const out = (...args: string[]) => daemon.ok('tare', args, { timeout: PATIENCE });

beforeAll(async () => {
  // On the machine's own network: where an image is not cached yet, packages come from the outside.
  daemon = await startDaemon({ bare: true });
  for (const name of ['nginx', 'redis', 'node'] as const) await haveApp(name, (args) => out(...args));
}, PATIENCE);
afterAll(() => daemon?.stop(), 120_000);

/** A folder on the host with these files. */
function folder(name: string, files: Readonly<Record<string, string>> = {}): string {
  const path = join(daemon.root, name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

/** `127.0.0.1:PORT` of a container's published port. */
const published = async (name: string, port: number) => (await out('port', name, String(port))).trim();

async function page(address: string, path = '/', init?: RequestInit): Promise<string> {
  // A connection of its own each time: an idle one would keep an old worker of nginx alive.
  const answer = await fetch(`http://${address}${path}`, { ...init, keepalive: false });
  return `${answer.status} ${await answer.text()}`;
}

const serves = (address: string, path: string, wanted: string) =>
  until(
    `${path} is ${wanted}`,
    async () => (await page(address, path).catch((error: Error) => error.message)) === wanted,
    60_000,
  );

const site = (answer: string) =>
  `server { listen 80; location / { root /site; } location = /which { return 200 "${answer}"; } }\n`;

test(
  'nginx on a read-only root: pages and configuration from binds, reload by kill -s HUP',
  async () => {
    const configuration = folder('nginx-conf', { 'default.conf': site('first') });
    // 32 MB that no compression shortens and no cache of the client hides.
    const big = Buffer.alloc(32 << 20, 'a page of many bytes, ');
    const pages = folder('pages', {
      'index.html': 'hello from the host\n',
      'big.bin': big.toString('latin1'),
    });
    await out(
      ...[
        'run',
        '-d',
        '--name',
        'web',
        '--read-only',
        '--tmpfs',
        '/run',
        '--tmpfs',
        '/var/lib/nginx:mode=755',
      ],
      ...[
        '-v',
        `${configuration}:/etc/nginx/conf.d:ro`,
        '--mount',
        `type=bind,src=${pages},dst=/site,readonly`,
      ],
      ...['-p', '127.0.0.1::80', 'nginx'],
    );
    const address = await published('web', 80);
    await serves(address, '/which', '200 first');
    expect(await page(address)).toBe('200 hello from the host\n');
    const received = Buffer.from(await (await fetch(`http://${address}/big.bin`)).arrayBuffer());
    expect(received.equals(big)).toBe(true);
    writeFileSync(join(pages, 'index.html'), 'changed on the host\n');
    expect(await page(address)).toBe('200 changed on the host\n');
    const refused = await daemon.tare(
      'exec',
      'web',
      'sh',
      '-c',
      'echo x >/site/x; echo x >/etc/nginx/conf.d/x; echo x >/x',
    );
    expect(refused.stderr.match(/Read-only file system/g)).toHaveLength(3);

    // As editors do it: a new file takes the place of the old one.
    writeFileSync(join(configuration, 'new'), site('second'));
    renameSync(join(configuration, 'new'), join(configuration, 'default.conf'));
    expect(await page(address, '/which')).toBe('200 first');
    const pid = await out('inspect', '-f', '{{.State.Pid}}', 'web');
    await out('kill', '-s', 'HUP', 'web');
    await serves(address, '/which', '200 second');
    // A wrong configuration is told in the log, and the server goes on with what it had.
    writeFileSync(join(configuration, 'default.conf'), 'server { listen 80\n');
    await out('kill', '-s', 'HUP', 'web');
    await until('the error is logged', async () =>
      (await daemon.tare('logs', 'web')).stderr.includes('[emerg]'),
    );
    expect(await page(address, '/which')).toBe('200 second');
    expect(await out('inspect', '-f', '{{.State.Pid}} {{.RestartCount}}', 'web')).toBe(`${pid} 0`);
    expect((await daemon.tare('logs', 'web')).stdout).toContain('"GET /which HTTP/1.1" 200 6');
    await out('stop', 'web');
    expect(await out('inspect', '-f', '{{.State.ExitCode}}', 'web')).toBe('0');
    await out('rm', 'web');
  },
  PATIENCE,
);

test(
  'Redis with its append file on a volume: nothing that it confirmed is lost by kill -9 of the daemon, restart or rm -f',
  async () => {
    const begin = (name: string) =>
      out(
        ...[
          'run',
          '-d',
          '--name',
          name,
          '--read-only',
          '-v',
          'appended:/data',
          '-p',
          '127.0.0.1::6379',
          'redis',
        ],
        ...['redis-server', '--bind', '0.0.0.0', '--protected-mode', 'no', '--appendonly', 'yes'],
        ...['--appendfsync', 'always', '--save', ''],
      );
    const open = async (name: string) => {
      const [host, port] = (await published(name, 6379)).split(':');
      return until(
        'Redis takes commands',
        () => RespClient.open(host!, Number(port)).catch(() => undefined),
        60_000,
      );
    };
    await begin('store');
    let client = await open('store');
    let confirmed = 0;
    let ended = false;
    const counting = (async () => {
      while (!ended) {
        confirmed = Number(await client.ask('INCR', 'count'));
        await client.ask('SET', `key-${confirmed}`, `value ${confirmed}\r\n`);
      }
    })();
    await until('it counts', () => confirmed > 20);
    await daemon.kill9();
    const atKill = confirmed;
    await until('it counts without the daemon', () => confirmed > atKill + 20);
    await daemon.start();
    const atStart = confirmed;
    await until('it counts with the next daemon', () => confirmed > atStart + 20);
    ended = true;
    await counting;
    client.close();

    await out('restart', 'store');
    client = await open('store');
    expect(await client.ask('GET', 'count')).toBe(String(confirmed));
    expect(await client.ask('GET', `key-${atKill}`)).toBe(`value ${atKill}\r\n`);
    confirmed = Number(await client.ask('INCR', 'count'));
    await out('rm', '-f', '-v', 'store');
    client.close();
    await begin('again');
    client = await open('again');
    expect(await client.ask('GET', 'count')).toBe(String(confirmed));
    expect(await client.ask('DBSIZE')).toBe(confirmed);
    client.close();
    await out('rm', '-f', 'again');
    expect(await out('volume', 'rm', 'appended')).toBe('appended');
  },
  PATIENCE,
);

const PROGRAM = `
import { createServer } from 'node:http';
import { readFileSync, watch, appendFileSync, existsSync } from 'node:fs';
let settings = JSON.parse(readFileSync('/config/settings.json', 'utf8'));
watch('/config', () => {
  try { settings = JSON.parse(readFileSync('/config/settings.json', 'utf8')); } catch { /* half written */ }
});
const attempt = (path, data) => {
  try { appendFileSync(path, data); return 'written'; } catch (error) { return error.code; }
};
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const routes = {
    '/greeting': () => settings.greeting,
    '/kept': () => attempt('/kept/notes', body),
    '/passing': () => attempt('/passing/notes', body),
    '/fill': () => attempt('/passing/fill', Buffer.alloc(8 << 20)),
    '/root': () => attempt('/notes', body),
    '/own': () => attempt('/app/server.mjs', body),
    '/there': () => String(existsSync('/passing/notes')),
    '/who': () => process.getuid() + ':' + process.getgid(),
  };
  const route = routes[request.url];
  response.writeHead(route ? 200 : 404).end(route ? route() : 'no such page');
});
server.listen(3000, () => console.log('listening'));
process.on('SIGTERM', () => server.close(() => { console.log('closed'); process.exit(0); }));
`;

test(
  'a Node program from a bind on a read-only root, as a user without rights: tmpfs, a writable bind, a watched file',
  async () => {
    const app = folder('app', { 'server.mjs': PROGRAM });
    const settings = folder('settings', { 'settings.json': '{"greeting":"good morning"}' });
    const kept = folder('kept');
    await run(['chown', '-R', '1500:1500', kept, app]);
    await out(
      ...['run', '-d', '--name', 'program', '--init', '--read-only', '-u', '1500:1500', '-w', '/app'],
      ...['--tmpfs', '/passing:size=4m,mode=700,uid=1500,gid=1500', '-v', `${app}:/app:ro`],
      ...[
        '-v',
        `${settings}:/config:ro`,
        '-v',
        `${kept}:/kept`,
        '-p',
        '127.0.0.1::3000',
        'node',
        'node',
        'server.mjs',
      ],
    );
    let address = await published('program', 3000);
    await serves(address, '/greeting', '200 good morning');
    const post = (path: string, body = '') => page(address, path, { method: 'POST', body });
    expect(await post('/who')).toBe('200 1500:1500');
    expect([await post('/root', 'x'), await post('/own', 'x')]).toEqual(['200 EROFS', '200 EROFS']);
    expect(await post('/kept', 'to the host\n')).toBe('200 written');
    expect(readFileSync(join(kept, 'notes'), 'utf8')).toBe('to the host\n');
    expect(await post('/passing', 'in memory only, 8d1c')).toBe('200 written');
    expect(await post('/fill')).toBe('200 ENOSPC');
    expect((await run(['grep', '-rqs', 'in memory only, 8d1c', daemon.dataRoot])).code).toBe(1);

    // The program's inotify sees what the host writes.
    writeFileSync(join(settings, 'settings.json'), '{"greeting":"good evening"}');
    await serves(address, '/greeting', '200 good evening');

    expect(await post('/there')).toBe('200 true');
    await out('stop', 'program');
    expect(await out('inspect', '-f', '{{.State.ExitCode}}', 'program')).toBe('0');
    expect(await out('logs', 'program')).toEndWith('closed');
    await out('start', 'program');
    address = await published('program', 3000);
    await serves(address, '/there', '200 false');
    expect(await post('/kept', 'again\n')).toBe('200 written');
    expect(readFileSync(join(kept, 'notes'), 'utf8')).toBe('to the host\nagain\n');
    await out('rm', '-f', 'program');
  },
  PATIENCE,
);
