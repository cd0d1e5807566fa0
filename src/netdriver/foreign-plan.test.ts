import { describe, expect, test } from 'bun:test';
import { planAccepts } from './foreign-plan.ts';

const plain = '-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n';
const drops = '-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n';
const ours = (chain: string, side: string, bridge: string) =>
  `-A ${chain} ${side} ${bridge} -m comment --comment "tare:tare:${bridge}" -j ACCEPT\n`;
const add =
  (...head: string[]) =>
  (side: string, bridge: string) => [
    ...head,
    side,
    bridge,
    '-m',
    'comment',
    '--comment',
    `tare:tare:${bridge}`,
    '-j',
    'ACCEPT',
  ];

describe('accept rules in the tables of iptables', () => {
  test('none where the policy accepts, and what was there is removed', () => {
    expect(planAccepts(plain, 'tare', ['tare0']).steps).toEqual([]);
    expect(planAccepts(plain + ours('FORWARD', '-i', 'tare0'), 'tare', ['tare0']).steps).toEqual([
      add('-D', 'FORWARD')('-i', 'tare0'),
    ]);
  });

  test('a pair for each bridge where it drops, after the rules that are there', () => {
    const rule = add('-A', 'FORWARD');
    expect(planAccepts(`${drops}-A FORWARD -i x -j DROP -p tcp\n`, 'tare', ['tare0', 'br-1']).steps).toEqual(
      [
        ['-i', 'tare0'],
        ['-o', 'tare0'],
        ['-i', 'br-1'],
        ['-o', 'br-1'],
      ].map(([side = '', bridge = '']) => rule(side, bridge)),
    );
  });

  test('nothing to do the second time', () => {
    const there = ours('FORWARD', '-i', 'tare0') + ours('FORWARD', '-o', 'tare0');
    expect(planAccepts(drops + there, 'tare', ['tare0']).steps).toEqual([]);
  });

  test('at the place that dockerd keeps for others, before the return at its end', () => {
    const docker = `${drops}-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A FORWARD -o docker0 -j DOCKER\n-A DOCKER-USER -s 10.9.9.9/32 -j DROP\n-A DOCKER-USER -j RETURN\n`;
    const plan = planAccepts(docker, 'tare', ['tare0']);
    expect(plan.steps).toEqual([
      add('-I', 'DOCKER-USER', '2')('-i', 'tare0'),
      add('-I', 'DOCKER-USER', '3')('-o', 'tare0'),
    ]);
    expect(plan.foreignBridges).toEqual(['docker0']);
  });

  test('moves to DOCKER-USER when dockerd came later', () => {
    const both = `${drops}-N DOCKER-USER\n${ours('FORWARD', '-i', 'tare0')}${ours('FORWARD', '-o', 'tare0')}`;
    expect(planAccepts(both, 'tare', ['tare0']).steps).toEqual([
      add('-D', 'FORWARD')('-i', 'tare0'),
      add('-D', 'FORWARD')('-o', 'tare0'),
      add('-A', 'DOCKER-USER')('-i', 'tare0'),
      add('-A', 'DOCKER-USER')('-o', 'tare0'),
    ]);
  });

  test('takes its rules for bridges that are gone away, and nobody else’s', () => {
    const there = `${drops}${ours('FORWARD', '-i', 'gone0')}-A FORWARD -i tare7 -m comment --comment "tare:tare-7:tare7" -j ACCEPT\n-A FORWARD -i x -m comment --comment "mine" -j ACCEPT\n`;
    expect(planAccepts(there, 'tare', []).steps).toEqual([add('-D', 'FORWARD')('-i', 'gone0')]);
  });
});
