import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DaemonError, EngineClient, NoDaemonError, olderVersion } from './client.ts';
import { chooseEndpoint, DEFAULT_HOST } from './endpoint.ts';

let folder: string;
let server: Server | undefined;
const requests: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tare-client-'));
  requests.length = 0;
});
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const endpoint = () => ({ host: `unix://${folder}/s`, socketPath: `${folder}/s`, isDefault: false });

/** A daemon that answers each connection's first request by `answer`. */
async function daemon(answer: (request: string, socket: Socket) => void): Promise<EngineClient> {
  server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = '';
    const onData = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.off('data', onData);
      requests.push(text);
      answer(text, socket);
    };
    socket.on('data', onData);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server!.listen(`${folder}/s`, resolve));
  return new EngineClient({ endpoint: endpoint() });
}

const json = (status: number, body: string, headers = '') =>
  `HTTP/1.1 ${status} X\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;

describe('the version', () => {
  test('the newest is asked for, without a request of its own', async () => {
    const client = await daemon((_, socket) => socket.end(json(200, '{"a":1}', 'Api-Version: 1.51\r\n')));
    expect(await client.json<{ a: number }>('GET', '/x')).toEqual({ a: 1 });
    expect(requests.map((request) => request.split('\r\n')[0])).toEqual(['GET /v1.51/x HTTP/1.1']);
    expect(client.apiVersion).toBe('1.51');
  });

  test('a daemon that finds it too new is asked again with its own', async () => {
    const message = 'client version 1.51 is too new. Maximum supported API version is 1.41';
    const client = await daemon((request, socket) => {
      socket.end(request.includes('/v1.51/') ? json(400, JSON.stringify({ message })) : json(200, '{}'));
    });
    await client.json('POST', '/x', { json: { b: 2 } });
    await client.json('GET', '/y');
    expect(requests.map((request) => request.split('\r\n')[0])).toEqual([
      'POST /v1.51/x HTTP/1.1',
      'POST /v1.41/x HTTP/1.1',
      'GET /v1.41/y HTTP/1.1',
    ]);
    expect(requests[1]).toContain('{"b":2}');
  });

  test('before a body that can be sent only once, the daemon is asked', async () => {
    const client = await daemon((request, socket) => {
      const body = request.includes('_ping') ? 'OK' : '{}';
      socket.end(json(200, body, 'Api-Version: 1.44\r\n'));
    });
    async function* body() {
      yield new TextEncoder().encode('abc');
    }
    await client.send('POST', '/load', { body: body() });
    expect(requests.map((request) => request.split('\r\n')[0])).toEqual([
      'GET /_ping HTTP/1.1',
      'POST /v1.44/load HTTP/1.1',
    ]);
  });

  test('a pinned one is used as it is', async () => {
    await daemon((_, socket) => socket.end(json(400, '{"message":"client version 1.99 is too new"}')));
    const client = new EngineClient({ endpoint: endpoint(), pinnedVersion: '1.99' });
    expect(client.json('GET', '/x')).rejects.toThrow('client version 1.99 is too new');
    await Bun.sleep(0);
  });

  test('versions compare by number', () => {
    expect(olderVersion('1.9', '1.41')).toBe(true);
    expect(olderVersion('1.41', '1.41')).toBe(false);
    expect(olderVersion('2.0', '1.41')).toBe(false);
  });
});

describe('answers', () => {
  test('an error has the daemon’s words and status', async () => {
    const client = await daemon((_, socket) =>
      socket.end(json(404, '{"message":"No such container: x\\n"}')),
    );
    const error = await client.json('GET', '/x').catch((one: unknown) => one);
    expect(error).toBeInstanceOf(DaemonError);
    expect(error).toMatchObject({ status: 404, message: 'No such container: x' });
  });

  test('chunks cut anywhere are joined, lines become values', async () => {
    const body = '{"n":1}\n{"n":2}\r\n{"n":"é"}';
    let wire = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
    const bytes = Buffer.from(body);
    for (let at = 0; at < bytes.length; at += 3) {
      const part = bytes.subarray(at, at + 3);
      wire += `${part.length.toString(16)}\r\n${part.toString('latin1')}\r\n`;
    }
    wire += '0\r\nTrailer: x\r\n\r\n';
    const client = await daemon(async (_, socket) => {
      const whole = Buffer.from(wire, 'latin1');
      for (let at = 0; at < whole.length; at += 7) {
        socket.write(whole.subarray(at, at + 7));
        await Bun.sleep(0);
      }
      socket.end();
    });
    const values = [];
    for await (const value of client.messages('GET', '/x')) values.push(value);
    expect(values).toEqual([{ n: 1 }, { n: 2 }, { n: 'é' }]);
  });

  test('an answer without length ends with the connection; 204 has no body', async () => {
    const client = await daemon((request, socket) => {
      if (request.includes('/none')) socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      else socket.end('HTTP/1.0 200 OK\r\n\r\n[1,2]');
    });
    expect(await client.json<number[]>('GET', '/x')).toEqual([1, 2]);
    await client.send('POST', '/none');
  });

  test('an answer that ends too early is an error', async () => {
    const client = await daemon((_, socket) =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
    );
    expect(client.json('GET', '/x')).rejects.toThrow('unexpected EOF');
    await Bun.sleep(10);
  });

  test('a body that is refused while it is being sent: the daemon’s reason, not EPIPE', async () => {
    const client = await daemon((request, socket) => {
      if (request.includes('_ping')) socket.end(json(200, 'OK'));
      else socket.end(json(413, '{"message":"too large"}'), () => socket.destroy());
    });
    async function* endless() {
      for (;;) yield new Uint8Array(65536);
    }
    const error = await client.send('POST', '/load', { body: endless() }).catch((one: unknown) => one);
    expect(String(error)).toContain('too large');
  });

  test('a body whose source fails: the source’s error', async () => {
    const client = await daemon((request, socket) => {
      if (request.includes('_ping')) socket.end(json(200, 'OK'));
    });
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(10);
      throw new Error('read /x: input/output error');
    }
    expect(client.send('POST', '/load', { body: broken() })).rejects.toThrow('read /x: input/output error');
    await Bun.sleep(20);
  });
});

describe('raw connections', () => {
  test('both directions, with half-close', async () => {
    const client = await daemon((_, socket) => {
      socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello ');
      let received = 0;
      socket.on('data', (chunk) => {
        received += chunk.length;
      });
      // The answer comes only after the client has ended its half.
      socket.on('end', () => socket.end(`got ${received}`));
    });
    const { stream } = await client.hijack('/attach');
    await stream.write(new Uint8Array(3_000_000));
    stream.endWrite();
    let text = '';
    for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
      text += Buffer.from(chunk).toString();
    }
    expect(text).toBe('hello got 3000000');
  });

  test('a daemon that refuses says why', async () => {
    const client = await daemon((_, socket) => socket.end(json(409, '{"message":"container is paused"}')));
    expect(client.hijack('/attach')).rejects.toThrow('container is paused');
    await Bun.sleep(10);
  });
});

describe('where the daemon is', () => {
  test('nobody there: what to do', async () => {
    const client = new EngineClient({ endpoint: endpoint() });
    const error = await client.json('GET', '/x').catch((one: unknown) => one);
    expect(error).toBeInstanceOf(NoDaemonError);
    expect(String(error)).toContain(`Cannot connect to the Tare daemon at unix://${folder}/s`);
    expect(String(error)).toContain(`tare daemon -H unix://${folder}/s`);
  });

  test('one is started when that is allowed, once', async () => {
    let started = 0;
    const client = new EngineClient({
      endpoint: endpoint(),
      startDaemon: async () => {
        started++;
        await daemon((_, socket) => socket.end(json(200, '{}')));
        return true;
      },
    });
    await client.json('GET', '/x');
    await client.json('GET', '/x');
    expect(started).toBe(1);
  });

  test('-H, TARE_HOST, DOCKER_HOST, the default', () => {
    const environment = { TARE_HOST: 'unix:///t', DOCKER_HOST: 'unix:///d' };
    expect(chooseEndpoint(['unix:///h'], environment).socketPath).toBe('/h');
    expect(chooseEndpoint([], environment).socketPath).toBe('/t');
    expect(chooseEndpoint([], { DOCKER_HOST: 'unix:///d' })).toEqual({
      host: 'unix:///d',
      socketPath: '/d',
      isDefault: false,
    });
    expect(chooseEndpoint([], { TARE_HOST: '' })).toMatchObject({ host: DEFAULT_HOST, isDefault: true });
    expect(chooseEndpoint(['/run/x.sock'], {}).host).toBe('unix:///run/x.sock');
  });

  test('addresses that are not for this client', () => {
    expect(() => chooseEndpoint(['tcp://x:2375'], {})).toThrow('needs TLS');
    expect(() => chooseEndpoint(['fd://'], {})).toThrow('for the daemon to listen on');
    expect(() => chooseEndpoint(['foo'], {})).toThrow('unable to parse docker host `foo`');
    expect(() => chooseEndpoint(['unix://a', 'unix://b'], {})).toThrow('specify only one -H');
    expect(() => chooseEndpoint(['unix://'], {})).toThrow('invalid address');
  });
});
