import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { ipText } from './netlink/addresses.ts';

/** A socket that takes connections or datagrams. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  /** `0.0.0.0` and `::`: any. */
  readonly address: string;
  readonly port: number;
  readonly inode: string;
}

const LISTENING = '0A';
/** State of a UDP socket without a peer. */
const UNCONNECTED = '07';

/** The listening sockets in the network namespace of a process; none when it is gone. */
export function listListeners(pid: number | 'self'): Listener[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) =>
    ['', '6'].flatMap((family) => parse(protocol, read(`/proc/${pid}/net/${protocol}${family}`))),
  );
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function parse(protocol: 'tcp' | 'udp', text: string): Listener[] {
  const wanted = protocol === 'tcp' ? LISTENING : UNCONNECTED;
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [hex = '', port = ''] = fields[1]?.split(':') ?? [];
      if (fields[3] !== wanted || hex === '') return [];
      return [{ protocol, address: address(hex), port: Number.parseInt(port, 16), inode: fields[9] ?? '' }];
    });
}

/** Words of four bytes, each in the machine's order. */
function address(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  return ipText(bytes);
}

/** Which process has which socket open, by the socket's inode; of processes that cannot be seen nothing. */
export function socketOwners(): Map<string, { pid: number; name: string }> {
  const owners = new Map<string, { pid: number; name: string }>();
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    for (const inode of socketsOf(pid)) {
      if (!owners.has(inode)) owners.set(inode, { pid: Number(pid), name: read(`/proc/${pid}/comm`).trim() });
    }
  }
  return owners;
}

function socketsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((file) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${file}`))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}
