import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { CODES, fromGrpc, GrpcError } from '../grpc/grpc-error.ts';
import { AgentRequest, AgentResponse, BytesMessage, SSH } from '../proto/attachables.ts';
import type { Session } from './sessions.ts';

/** The ssh agents that a client forwards, each as a unix socket here while a build runs. */
export class SshAgents {
  readonly #session: Session;
  readonly #signal: AbortSignal;
  readonly #root: string;
  readonly #agents = new Map<string, Promise<string | undefined>>();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #directory: string | undefined;

  /** `root`: a directory of root's own. */
  constructor(session: Session, root: string, signal: AbortSignal) {
    this.#session = session;
    this.#root = root;
    this.#signal = signal;
  }

  /** Path of the agent's socket; undefined when the client forwards none of that id. */
  path(id: string): Promise<string | undefined> {
    const known = this.#agents.get(id);
    if (known !== undefined) return known;
    const made = this.#open(id);
    this.#agents.set(id, made);
    return made;
  }

  async #open(id: string): Promise<string | undefined> {
    try {
      await this.#session.channel.unary(
        `${SSH}CheckAgent`,
        AgentRequest,
        AgentResponse,
        { id },
        this.#signal,
      );
    } catch (error) {
      const known = error instanceof GrpcError;
      // The stock client says `unset ssh forward key ID`, with no code of its own.
      if (known && (error.code === CODES.unimplemented || error.code === CODES.unknown)) return undefined;
      throw fromGrpc(error, `ssh agent ${id}`);
    }
    this.#directory ??= await mkdtemp(join(this.#root, 'ssh-'));
    const path = join(this.#directory, `${this.#servers.length}.sock`);
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#forward(id, socket));
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    return path;
  }

  #forward(id: string, socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
    void this.#pump(id, socket)
      .catch(() => {})
      .finally(() => socket.destroy());
  }

  async #pump(id: string, socket: Socket): Promise<void> {
    const call = this.#session.channel.call(`${SSH}ForwardAgent`, { 'buildkit.ssh.id': id }, this.#signal);
    socket.once('close', () => call.cancel());
    socket.on('data', (data: Uint8Array) => {
      socket.pause();
      void call
        .send(BytesMessage.encode({ data }))
        .then(() => socket.resume())
        .catch(() => socket.destroy());
    });
    socket.on('end', () => call.end());
    for await (const message of call.messages) {
      const { data } = BytesMessage.decode(message);
      if (!socket.write(data)) await new Promise<void>((resolve) => socket.once('drain', resolve));
    }
    socket.end();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }
}
