/** Logs that leave the machine: what stands on the wire, and what happens while nobody takes it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, inflateSync } from 'node:zlib';
import { makeAuthority } from '../support/certificates.ts';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { type Receiver, receiveDatagrams, receiveStreams, receiveUdp } from '../support/log-receivers.ts';
import { type Extension, unpackAll } from '../support/unpack.ts';

let daemon: TestDaemon;
let journal: Receiver;
beforeAll(async () => {
  daemon = await startDaemon({ args: ['--journald-socket', '/tmp/tare-e2e-journal.sock'] });
  journal = receiveDatagrams('/tmp/tare-e2e-journal.sock');
}, 120_000);
afterAll(async () => {
  await journal?.close();
  await daemon?.stop();
}, 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const TALK = 'echo one; echo two >&2; sleep 0.2; echo three';
const LONG = 40_000;

/** Runs a container to its end with a driver and its options; gives its id. */
async function talk(
  driver: string,
  options: Record<string, string>,
  script = TALK,
  ...more: string[]
): Promise<string> {
  const flags = Object.entries(options).flatMap(([key, value]) => ['--log-opt', `${key}=${value}`]);
  const id = await out(
    'create',
    '--net',
    'none',
    '--log-driver',
    driver,
    ...flags,
    ...more,
    'busybox',
    'sh',
    '-c',
    script,
  );
  await out('start', id);
  expect(await out('wait', id)).toBe('0');
  return id;
}

/** Waits until `text` has come, and gives all that has. */
async function arrived(from: Receiver, text: string): Promise<string> {
  await until(`${text} arrives`, async () => from.text().includes(text));
  return from.text();
}

describe('syslog', () => {
  test('udp, in the form of local programs; both streams of it are read by logs', async () => {
    await using server = await receiveUdp();
    const id = await talk('syslog', { 'syslog-address': `udp://127.0.0.1:${server.port}` });
    await arrived(server, 'three');
    const stamp = '[A-Z][a-z]{2} [ 123]\\d \\d{2}:\\d{2}:\\d{2}';
    const line = (priority: number, text: string): RegExp =>
      new RegExp(`^<${priority}>${stamp} ${id.slice(0, 12)}\\[${daemon.pid}\\]: ${text}\\n$`);
    // daemon is facility 3; info is 6, error 3.
    const messages = server.received.map(String);
    expect(messages.find((text) => text.includes('one'))).toMatch(line(30, 'one'));
    expect(messages.find((text) => text.includes('two'))).toMatch(line(27, 'two'));
    expect(messages).toHaveLength(3);
    expect((await daemon.client('docker', ['logs', id])).stdout).toBe('one\nthree\n');
    expect((await daemon.client('docker', ['logs', id])).stderr).toBe('two\n');
    expect(await out('inspect', '-f', '{{.LogPath}}{{.HostConfig.LogConfig.Type}}', id)).toBe('syslog');
  });

  test('tcp in RFC 5424 with a tag and a facility', async () => {
    await using server = await receiveStreams();
    await talk(
      'syslog',
      {
        'syslog-address': `tcp://127.0.0.1:${server.port}`,
        'syslog-format': 'rfc5424',
        'syslog-facility': 'local3',
        tag: '{{.DaemonName}}/{{.Name}}',
      },
      TALK,
      '--name',
      'talker',
    );
    const text = await arrived(server, 'three\n');
    const [first] = text.split('\n');
    const header = `<${19 * 8 + 6}>1 \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ ${hostname()} docker/talker ${daemon.pid} docker/talker - one`;
    expect(first).toMatch(new RegExp(`^${header}$`));
    await out('rm', 'talker');
  });

  test('tls in RFC 5424 with microseconds: each message has its length before it', async () => {
    const authority = makeAuthority(join(daemon.root, 'tls'));
    const { cert, key } = authority.issue('log');
    await using server = await receiveStreams({ tls: { cert: readFileSync(cert), key: readFileSync(key) } });
    await talk(
      'syslog',
      {
        'syslog-address': `tcp+tls://127.0.0.1:${server.port}`,
        'syslog-format': 'rfc5424micro',
        'syslog-tls-ca-cert': join(authority.folder, 'ca.crt'),
      },
      'echo one',
    );
    const text = await arrived(server, 'one\n');
    const [, length, message] = /^(\d+) (.*\n)$/s.exec(text) ?? [];
    expect(Buffer.byteLength(message ?? '')).toBe(Number(length));
    expect(message).toMatch(/^<30>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z /);
  });

  test('unix sockets of both kinds in RFC 3164', async () => {
    const [grams, streams] = [join(daemon.root, 'grams'), join(daemon.root, 'streams')];
    await using datagrams = receiveDatagrams(grams);
    await using stream = await receiveStreams({ at: streams });
    const options = { 'syslog-format': 'rfc3164', 'syslog-facility': '0', tag: 't' };
    await talk('syslog', { 'syslog-address': `unixgram://${grams}`, ...options }, 'echo one');
    await talk('syslog', { 'syslog-address': `unix://${streams}`, ...options }, 'echo one');
    const form = new RegExp(`^<6>[A-Z][a-z]{2} [ 123]\\d \\S+ ${hostname()} t\\[${daemon.pid}\\]: one\\n$`);
    expect(await arrived(datagrams, 'one')).toMatch(form);
    expect(await arrived(stream, 'one')).toMatch(form);
  });

  test('what the machine lacks fails the start, as in Docker', async () => {
    const options = ['--log-driver', 'syslog', '--log-opt', 'syslog-address=tcp+tls://127.0.0.1:9'];
    const failed = await daemon.docker(
      'run',
      ...options,
      '--log-opt',
      'syslog-tls-ca-cert=/nope',
      'busybox',
      'true',
    );
    expect(failed.stderr).toContain(
      'failed to initialize logging driver: could not read CA certificate "/nope": open /nope: no such file or directory',
    );
  });
});

describe('fluentd', () => {
  type Message = [
    tag: string,
    time: number | Extension,
    record: Record<string, string>,
    option?: { chunk: string },
  ];
  const messages = (server: Receiver): Message[] =>
    server.received.flatMap((bytes) => unpackAll(bytes) as Message[]);

  test('records with labels and variables; a long line in parts that name themselves', async () => {
    await using server = await receiveStreams();
    const began = Math.floor(Date.now() / 1000);
    const id = await talk(
      'fluentd',
      {
        'fluentd-address': `127.0.0.1:${server.port}`,
        labels: 'role',
        'env-regex': '^MY_',
        tag: 'app.{{.Name}}',
      },
      `${TALK}; head -c ${LONG} /dev/zero | tr '\\0' x; echo`,
      ...['--name', 'fluent', '--label', 'role=front', '-e', 'MY_ONE=1'],
    );
    await until('all has come', async () => messages(server).length >= 6);
    const all = messages(server);
    const one = all.find(([, , record]) => record.log === 'one');
    expect(one?.[0]).toBe('app.fluent');
    expect(one?.[1]).toBeGreaterThanOrEqual(began);
    expect(one?.[2]).toEqual({
      container_id: id,
      container_name: '/fluent',
      source: 'stdout',
      log: 'one',
      role: 'front',
      MY_ONE: '1',
    });
    expect(all.find(([, , record]) => record.log === 'two')?.[2].source).toBe('stderr');
    const parts = all
      .map(([, , record]) => record)
      .filter(({ partial_message }) => partial_message === 'true');
    expect(parts.map(({ log }) => log?.length)).toEqual([16_384, 16_384, LONG - 2 * 16_384]);
    expect(parts.map(({ partial_ordinal }) => partial_ordinal)).toEqual(['1', '2', '3']);
    expect(parts.map(({ partial_last }) => partial_last)).toEqual(['false', 'false', 'true']);
    expect(new Set(parts.map(({ partial_id }) => partial_id)).size).toBe(1);
    expect(await out('logs', '--details', '--tail', '1', id)).toHaveLength(
      // As in Docker, before each of the three records.
      LONG + 3 * 'MY_ONE=1,role=front,tag=app.fluent '.length,
    );
    await out('rm', 'fluent');
  });

  test('times with nanoseconds, and answers that are waited for', async () => {
    const answer = (chunk: Buffer): Uint8Array =>
      Buffer.concat(
        (unpackAll(chunk) as Message[]).map((message) => {
          const name = Buffer.from(message[3]?.chunk ?? '');
          return Buffer.concat([
            Buffer.from([0x81, 0xa3]),
            Buffer.from('ack'),
            Buffer.from([0xa0 | name.length]),
            name,
          ]);
        }),
      );
    await using server = await receiveStreams({ answer });
    const id = await talk('fluentd', {
      'fluentd-address': `tcp://127.0.0.1:${server.port}`,
      'fluentd-sub-second-precision': 'true',
      'fluentd-request-ack': 'true',
      'fluentd-async': 'true',
    });
    await until('all has come', async () => messages(server).length === 3);
    const time = messages(server).find(([, , record]) => record.log === 'one')?.[1] as Extension;
    const [logged = ''] = (await out('logs', '-t', id)).split(' ');
    expect(time.type).toBe(0);
    expect(time.data.readUInt32BE(0)).toBe(Math.floor(Date.parse(logged) / 1000));
    expect(String(time.data.readUInt32BE(4)).padStart(9, '0')).toBe(logged.slice(20, 29));
  });
});

describe('gelf', () => {
  function joined(datagrams: readonly Buffer[]): Buffer {
    const chunks = datagrams.filter((bytes) => bytes[0] === 0x1e && bytes[1] === 0x0f);
    if (chunks.length === 0) return Buffer.concat(datagrams);
    chunks.sort((a, b) => (a[10] as number) - (b[10] as number));
    expect(chunks.length).toBe(chunks[0]?.[11] as number);
    return Buffer.concat(chunks.map((bytes) => bytes.subarray(12)));
  }

  test.each([
    ['gzip', gunzipSync],
    ['zlib', inflateSync],
    ['none', (bytes: Buffer) => bytes],
  ] as const)('udp with %s; a long message in chunks', async (type, unpack) => {
    await using server = await receiveUdp();
    // Noise, so that compressing leaves more than a datagram takes.
    const script = 'head -c 9000 /dev/urandom | base64 | tr -d "\\n"; echo';
    const options = { 'gelf-address': `udp://127.0.0.1:${server.port}`, 'gelf-compression-type': type };
    const id = await talk('gelf', { ...options, env: 'MY' }, script, '-e', 'MY=1', '--name', `gelf-${type}`);
    await until('all chunks', async () => {
      const [first] = server.received;
      return first !== undefined && server.received.length === first[11];
    });
    const message = JSON.parse(unpack(joined(server.received)).toString());
    expect(message).toMatchObject({
      version: '1.1',
      host: hostname(),
      level: 6,
      _container_id: id,
      _container_name: `gelf-${type}`,
      _image_name: 'busybox',
      _tag: id.slice(0, 12),
      _MY: '1',
    });
    expect(message._command).toStartWith('sh -c head');
    expect(message.short_message).toHaveLength(12_000);
    expect(Math.abs(message.timestamp - Date.now() / 1000)).toBeLessThan(120);
  });

  test('tcp: messages end with a zero byte', async () => {
    await using server = await receiveStreams();
    await talk('gelf', { 'gelf-address': `tcp://127.0.0.1:${server.port}` });
    const text = await arrived(server, 'three');
    const messages = text
      .split('\0')
      .filter(Boolean)
      .map((part) => JSON.parse(part));
    expect(messages.map(({ short_message, level }) => `${short_message} ${level}`).sort()).toEqual([
      'one 6',
      'three 6',
      'two 3',
    ]);
  });
});

describe('journald', () => {
  test('entries with the fields that Docker sends', async () => {
    const script = `${TALK}; head -c ${LONG} /dev/zero | tr '\\0' x; echo`;
    const id = await talk(
      'journald',
      { tag: 'my tag', labels: 'the.role' },
      script,
      '--name',
      'jo',
      '--label',
      'the.role=a\nb',
    );
    await until('all has come', async () => journal.received.length === 6);
    const entries = journal.received.map(String);
    const one = entries.find((entry) => entry.includes('MESSAGE=one\n'));
    for (const field of [
      `CONTAINER_ID=${id.slice(0, 12)}`,
      `CONTAINER_ID_FULL=${id}`,
      'CONTAINER_NAME=jo',
      'CONTAINER_TAG=my tag',
      'SYSLOG_IDENTIFIER=my tag',
      'IMAGE_NAME=busybox',
      'PRIORITY=6',
      // A value with a newline: its name, its length in eight bytes, itself.
      'THE_ROLE\n\u0003\0\0\0\0\0\0\0a\nb',
    ]) {
      expect(one).toContain(`${field}\n`);
    }
    expect(one).not.toContain('PARTIAL');
    expect(entries.find((entry) => entry.includes('MESSAGE=two\n'))).toContain('PRIORITY=3\n');
    const partial = entries.map((entry) => entry.includes('CONTAINER_PARTIAL_MESSAGE=true\n'));
    expect(partial).toEqual([false, false, false, true, true, false]);
    expect(entries.at(-1)).toContain('CONTAINER_PARTIAL_LAST=true\n');
    expect(await out('logs', '--tail', '1', 'jo')).toHaveLength(LONG);
  });
});

describe('nobody takes it', () => {
  const COUNT = 'i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo "line $i"; sleep 0.01; done';
  const numbers = (server: Receiver): number[] =>
    [...server.text().matchAll(/line (\d+)\n/g)].map((match) => Number(match[1]));

  test('a server that comes, goes and comes, and a daemon killed between: nothing is lost', async () => {
    const first = await receiveStreams();
    const { port } = first;
    await first.close();
    const flags = ['--log-driver', 'syslog', '--log-opt', `syslog-address=tcp://127.0.0.1:${port}`];
    const id = await out('run', '-d', '--net', 'none', ...flags, 'busybox', 'sh', '-c', COUNT);
    await Bun.sleep(500);
    const servers = [await receiveStreams({ at: port })];
    await until('something comes', async () => numbers(servers[0] as Receiver).length > 20);
    await servers[0]?.close();
    await daemon.kill9();
    await Bun.sleep(300);
    servers.push(await receiveStreams({ at: port }));
    await daemon.start();
    await until('the last line comes', async () => numbers(servers[1] as Receiver).includes(400), 60_000);
    const seen = servers.flatMap(numbers);
    expect([...new Set(seen)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 400 }, (_, index) => index + 1),
    );
    // What was in doubt came twice, and no more than that.
    expect(seen.length).toBeLessThan(800);
    await servers[1]?.close();
    expect((await out('logs', id)).split('\n')).toHaveLength(400);
  }, 120_000);

  test('the container ended while the server was away, and the daemon with it: the next daemon sends', async () => {
    const first = await receiveStreams();
    const { port } = first;
    await first.close();
    await talk('syslog', { 'syslog-address': `tcp://127.0.0.1:${port}` }, 'echo kept');
    await daemon.terminate();
    await using server = await receiveStreams({ at: port });
    await daemon.start();
    await arrived(server, 'kept');
    await daemon.terminate();
    await daemon.start();
    await Bun.sleep(1000);
    // It was sent, so it is not sent again.
    expect(server.text().match(/kept/g)).toHaveLength(1);
  }, 120_000);

  test('a server that reads nothing does not stall the container, and the daemon stays small', async () => {
    await using server = await receiveStreams({ deaf: true });
    const before = memory();
    const id = await talk(
      'syslog',
      { 'syslog-address': `tcp://127.0.0.1:${server.port}`, mode: 'blocking' },
      `yes 'a line that is long enough to fill pipes and queues' | head -n 1000000; echo end`,
    );
    expect(await out('logs', '--tail', '1', id)).toBe('end');
    expect(memory() - before).toBeLessThan(150);
  }, 240_000);

  test('--rm waits until the log is sent', async () => {
    await using server = await receiveStreams();
    const flags = ['--log-driver', 'syslog', '--log-opt', `syslog-address=tcp://127.0.0.1:${server.port}`];
    await out('run', '--rm', '--net', 'none', ...flags, 'busybox', 'echo', 'last words');
    await arrived(server, 'last words');
  });

  /** Resident memory of the daemon in MB. */
  function memory(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]) / 1024;
  }
});

test('logs that cannot be read: none, and with the cache disabled', async () => {
  await using server = await receiveUdp();
  const refused = async (id: string): Promise<void> => {
    const answer = await daemon.docker('logs', id);
    expect(answer.stderr).toBe(
      'Error response from daemon: configured logging driver does not support reading\n',
    );
  };
  await refused(await talk('none', {}));
  await refused(
    await talk('gelf', { 'gelf-address': `udp://127.0.0.1:${server.port}`, 'cache-disabled': 'true' }),
  );
  expect(server.received).toHaveLength(3);
});

test('the daemon lists its drivers', async () => {
  const drivers = await daemon.ok('docker', ['info', '-f', '{{.LoggingDriver}} {{.Plugins.Log}}']);
  expect(drivers).toBe('json-file [fluentd gelf journald json-file local syslog]');
});
