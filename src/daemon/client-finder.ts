import { readFileSync } from 'node:fs';
import type { ApiClient } from '../engine/containers/death.ts';
import { PeerFinder } from '../kernel/peer.ts';

/** Returns a function that tells who made the connection that was accepted a moment ago. */
export function clientFinder(): () => ApiClient | undefined {
  const peers = new PeerFinder();
  return () => {
    const peer = peers.newcomer();
    return peer && { pid: peer.pid, uid: peer.uid, program: programOf(peer.pid) };
  };
}

function programOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    // It has ended, or is in a pid namespace that cannot be seen from here.
    return '';
  }
}
