import { readFileSync } from 'node:fs';

/** What passed an interface, seen from its own network namespace. */
export interface InterfaceCounters {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** All interfaces of a process's network namespace (proc(5), /proc/net/dev); none when the process has ended. */
export function interfaceCounters(pid: number, root = '/proc'): InterfaceCounters[] {
  let text: string;
  try {
    text = readFileSync(`${root}/${pid}/net/dev`, 'utf8');
  } catch {
    return [];
  }
  const counters: InterfaceCounters[] = [];
  for (const line of text.split('\n').slice(2)) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    // Eight columns of what was received, eight of what was sent.
    const n = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    counters.push({
      name: line.slice(0, colon).trim(),
      rxBytes: n[0] ?? 0,
      rxPackets: n[1] ?? 0,
      rxErrors: n[2] ?? 0,
      rxDropped: n[3] ?? 0,
      txBytes: n[8] ?? 0,
      txPackets: n[9] ?? 0,
      txErrors: n[10] ?? 0,
      txDropped: n[11] ?? 0,
    });
  }
  return counters;
}
