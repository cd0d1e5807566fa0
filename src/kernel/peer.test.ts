import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PeerFinder, type SocketPeer } from './peer.ts';

const CLIENT = `
import socket, sys, time
held = [socket.socket(socket.AF_UNIX) for _ in range(3)]
for one in held:
    one.connect(sys.argv[1])
    one.send(b'GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: keep-alive\\r\\n\\r\\n')
    one.recv(10)
sys.stdin.read()
`;

test('each connection is found to be of the process that made it, also among others', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tare-peer-'));
  const path = join(directory, 's');
  const finder = new PeerFinder();
  // Other tests of this process may have left connections behind.
  while (finder.newcomer() !== undefined);
  const seen: Array<SocketPeer | undefined> = [];
  const server = createServer((_request, response) => response.end('x'));
  server.on('connection', () => seen.push(finder.newcomer()));
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
  const clients: Bun.Subprocess<'pipe', 'ignore', 'inherit'>[] = [];
  try {
    // This process's own end of a connection is not taken for the other one.
    const own = connect(path);
    await new Promise((resolve) => own.once('connect', resolve));
    for (let round = 0; round < 2; round += 1) {
      clients.push(
        Bun.spawn(['python3', '-c', CLIENT, path], { stdin: 'pipe', stdout: 'ignore', stderr: 'inherit' }),
      );
      for (let waited = 0; seen.length < 4 + round * 3 && waited < 1000; waited += 1) await Bun.sleep(10);
    }
    const uid = process.getuid?.() ?? 0;
    const pids = [process.pid, ...clients.flatMap(({ pid }) => [pid, pid, pid])];
    expect(seen).toEqual(pids.map((pid) => ({ pid, uid })));
    own.destroy();
    expect(finder.newcomer()).toBeUndefined();
  } finally {
    for (const client of clients) client.kill();
    server.close();
    rmSync(directory, { recursive: true });
  }
}, 60_000);
