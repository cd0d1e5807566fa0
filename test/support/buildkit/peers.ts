import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GrpcServer, type Methods } from '../../../src/buildkit/grpc/server.ts';
import { type Session, Sessions } from '../../../src/buildkit/session/sessions.ts';

/** Both ends of a connection. */
export async function socketPair(): Promise<[Socket, Socket]> {
  const folder = mkdtempSync(join(tmpdir(), 'tare-pair-'));
  const server = createServer();
  try {
    await new Promise<void>((resolve) => server.listen(join(folder, 's'), resolve));
    const other = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const one = connect(join(folder, 's'));
    return [one, await other];
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A session with a client that answers these methods. */
export async function sessionWith(methods: Methods): Promise<Session & Disposable> {
  const [ours, theirs] = await socketPair();
  new GrpcServer(methods, () => {}).accept(theirs);
  const sessions = new Sessions();
  const headers = {
    'x-docker-expose-session-uuid': 's1',
    'x-docker-expose-session-sharedkey': 'place',
    'x-docker-expose-session-grpc-method': Object.keys(methods).join(', '),
  };
  sessions.add(headers, ours);
  const session = await sessions.get('s1', new AbortController().signal);
  return {
    ...session,
    [Symbol.dispose]() {
      sessions.close();
      ours.destroy();
      theirs.destroy();
    },
  };
}
