/**
 * Other machines, clients and servers for tests of published ports: a host is a network namespace with a veth pair
 * into the daemon's, a server runs in a container's namespace and says who asked it.
 */
import { must, run } from './command.ts';
import type { TestDaemon } from './daemon.ts';

/** Says "hello ADDRESS" to whoever asks, by TCP and UDP, on both families. */
const SERVER = `
import os, socket, sys, threading
def clean(a): return a[7:] if a.startswith('::ffff:') else a
def tcp(port):
  s = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
  print('tcp', flush=True)
  while True:
    c, a = s.accept()
    threading.Thread(target=talk, args=(c, a), daemon=True).start()
def talk(c, a):
  c.sendall(('hello %s\\n' % clean(a[0])).encode())
  while True:
    d = c.recv(65536)
    if not d: break
    c.sendall(d)
  c.close()
def udp(port):
  s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
  s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
  s.bind(('::', port))
  print('udp', flush=True)
  while True:
    d, a = s.recvfrom(65536)
    s.sendto(('hello %s\\n' % clean(a[0])).encode(), a)
for port in sys.argv[1:]:
  threading.Thread(target=tcp, args=(int(port),)).start()
  threading.Thread(target=udp, args=(int(port),)).start()
# Ends with whoever started it.
sys.stdin.read()
os._exit(0)
`;

const CLIENT = `
import socket, sys
kind, host, port, seconds, source = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
s.settimeout(seconds)
if source: s.bind((source, 0))
try:
  s.connect((host, port))
  if kind == 'udp': s.send(b'?')
  print(s.recv(100).decode().strip() or 'closed')
except ConnectionRefusedError: print('refused')
except socket.timeout: print('silence')
except OSError as e: print(e.strerror)
`;

export interface Question {
  readonly protocol?: 'tcp' | 'udp';
  /** Seconds to wait for an answer. */
  readonly patience?: number;
  /** Address of the client's to ask from. */
  readonly from?: string;
}

/** What a server answers to a client whose commands have this prefix: its words, or `refused`, `silence`, … */
export async function ask(
  prefix: readonly string[],
  host: string,
  port: number,
  { protocol = 'tcp', patience = 5, from = '' }: Question = {},
): Promise<string> {
  const python = [
    '/usr/bin/python3',
    '-S',
    '-c',
    CLIENT,
    protocol,
    host,
    String(port),
    String(patience),
    from,
  ];
  return (await run([...prefix, ...python], { timeout: 60_000 })).stdout.trim();
}

/** Prefix of commands in the network of a process. */
export const inNetworkOf = (pid: number | string): string[] => ['nsenter', '-t', String(pid), '-n', '--'];

const servers = new Set<Bun.Subprocess>();

/** Ends all servers; for `afterAll`, because no container takes them along. */
export async function stopServers(): Promise<void> {
  for (const child of servers) child.kill('SIGKILL');
  await Promise.all([...servers].map((child) => child.exited));
  servers.clear();
}

/** Starts the server on these ports; resolves when it listens. */
export async function serve(prefix: readonly string[], ...ports: number[]): Promise<void> {
  const child = Bun.spawn([...prefix, '/usr/bin/python3', '-S', '-c', SERVER, ...ports.map(String)], {
    stdin: 'pipe',
    stdout: 'pipe',
  });
  servers.add(child);
  let heard = '';
  const reader = child.stdout.getReader();
  while (heard.split('\n').length <= ports.length * 2) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the server on ${ports} did not start: ${heard}`);
    heard += new TextDecoder().decode(value);
  }
}

/** A container that sleeps, and the server in its network. */
export async function serverContainer(
  daemon: TestDaemon,
  ports: readonly number[],
  ...flags: readonly string[]
): Promise<{ id: string; prefix: string[] }> {
  const id = await daemon.ok('tare', ['run', '-d', ...flags, 'busybox', 'sleep', '100000']);
  const prefix = inNetworkOf(await daemon.ok('tare', ['inspect', '-f', '{{.State.Pid}}', id]));
  await serve(prefix, ...ports);
  return { id, prefix };
}

/** Another machine: a namespace with one link into the daemon's. */
export class OtherHost implements AsyncDisposable {
  readonly name: string;
  /** Prefix of commands there. */
  readonly prefix: readonly string[];

  private constructor(name: string) {
    this.name = name;
    this.prefix = ['nsenter', `--net=/run/netns/${name}`, '--'];
  }

  /** `own` and `daemon`: addresses with prefix length, of either family, of the two ends. */
  static async connect(
    daemon: TestDaemon,
    number: number,
    { own, daemon: theirs }: { own: readonly string[]; daemon: readonly string[] },
  ): Promise<OtherHost> {
    const host = new OtherHost(`${daemon.bridge}h${number}`);
    await must(['ip', 'netns', 'add', host.name]);
    try {
      const link = `up${number}`;
      const there = ['ip', '-n', daemon.bridge];
      const here = ['ip', '-n', host.name];
      await must([...there, 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.name]);
      for (const [ip, dev, addresses] of [
        [there, link, theirs],
        [here, 'eth0', own],
      ] as const) {
        for (const address of addresses) {
          const nodad = address.includes(':') ? ['nodad'] : [];
          await must([...ip, 'address', 'add', address, 'dev', dev, ...nodad]);
        }
        await must([...ip, 'link', 'set', dev, 'up']);
      }
      await must([...here, 'link', 'set', 'lo', 'up']);
      return host;
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  ask(host: string, port: number, question: Question = {}): Promise<string> {
    return ask(this.prefix, host, port, question);
  }

  async ok(...argv: string[]): Promise<string> {
    return await must([...this.prefix, ...argv]);
  }

  async close(): Promise<void> {
    await run(['ip', 'netns', 'delete', this.name]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
