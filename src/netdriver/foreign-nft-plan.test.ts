import { describe, expect, test } from 'bun:test';
import { planNftAccepts } from './foreign-nft-plan.ts';

const listed = (...rules: object[]) =>
  JSON.stringify({
    nftables: [{ chain: {} }, ...rules.map((rule, index) => ({ rule: { handle: index + 1, ...rule } }))],
  });
const ours = (bridge: string) => ({
  comment: `tare:tare:${bridge}`,
  expr: [{ match: {} }, { accept: null }],
});
const some = { expr: [{ match: {} }, { drop: null }] };
const reject = { expr: [{ counter: {} }, { reject: { type: 'icmpx' } }] };
const zones = { expr: [{ jump: { target: 'filter_FORWARD_ZONES' } }] };

describe('accept rules in the forward chains of others', () => {
  test('none where packets pass', () => {
    expect(planNftAccepts(listed(some), 'tare', ['tare0'], 'accept')).toEqual({
      closed: false,
      remove: [],
      add: [],
      before: undefined,
    });
    expect(planNftAccepts(listed(ours('tare0')), 'tare', ['tare0'], 'accept').remove).toEqual([1]);
  });

  test('at the end where the policy drops', () => {
    expect(planNftAccepts(listed(some), 'tare', ['tare0'], 'drop')).toMatchObject({
      closed: true,
      add: ['tare0'],
      before: undefined,
    });
  });

  test('before a rule that stops all, whatever the policy', () => {
    for (const policy of ['accept', 'drop'] as const) {
      expect(planNftAccepts(listed(some, reject), 'tare', ['tare0'], policy)).toMatchObject({
        closed: true,
        add: ['tare0'],
        before: 2,
      });
    }
  });

  test('before firewalld’s zones', () => {
    expect(planNftAccepts(listed(some, zones, reject), 'tare', ['tare0'], 'accept').before).toBe(2);
  });

  test('nothing to do the second time; out of reach, half and unwanted ones are made anew or go', () => {
    const pair = [ours('tare0'), ours('tare0')];
    expect(planNftAccepts(listed(some, ...pair, reject), 'tare', ['tare0'], 'accept')).toMatchObject({
      remove: [],
      add: [],
    });
    expect(planNftAccepts(listed(reject, ...pair), 'tare', ['tare0'], 'accept')).toMatchObject({
      remove: [2, 3],
      add: ['tare0'],
      before: 1,
    });
    expect(planNftAccepts(listed(ours('tare0'), ours('gone0')), 'tare', ['tare0'], 'drop')).toMatchObject({
      remove: [2, 1],
      add: ['tare0'],
    });
  });
});
