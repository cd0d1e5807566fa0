import { afterEach, beforeEach, expect, test } from 'bun:test';
import { closeFd, moveToNewNetwork, newNetworkNamespace } from '../namespaces.ts';
import { AF_INET, addAddress, deleteAddress, listAddresses } from './addresses.ts';
import { deleteLink, findLink, listLinks, newBridge, newVeth, setLink } from './links.ts';
import type { NetlinkMessage } from './message.ts';
import { monitorNetlink } from './monitor.ts';
import { addDefaultRoute, listRoutes } from './routes.ts';
import { NetlinkProtocol, NetlinkSocket } from './socket.ts';

let back: () => void;
let route: NetlinkSocket;
beforeEach(() => {
  back = moveToNewNetwork();
  route = NetlinkSocket.open(NetlinkProtocol.ROUTE);
});
afterEach(() => {
  route.close();
  back();
});

test('a bridge, a pair plugged into it, addresses and routes on both sides', () => {
  const namespace = newNetworkNamespace();
  const inner = NetlinkSocket.open(NetlinkProtocol.ROUTE, namespace);
  try {
    route.execute([newBridge('b0'), setLink('b0', { mac: '02:42:00:00:00:01', mtu: 1400 })]);
    const bridge = findLink(route, 'b0');
    expect(bridge).toMatchObject({
      kind: 'bridge',
      mac: '02:42:00:00:00:01',
      mtu: 1400,
      up: false,
      master: 0,
    });
    if (!bridge) return;
    route.execute([
      setLink(bridge.index, { noLinkLocal: true }),
      setLink(bridge.index, { up: true }),
      addAddress(bridge.index, '10.1.0.1/24'),
      newVeth({ name: 'v0', mtu: 1400, master: bridge.index, peer: { name: 'eth0', namespace } }),
      setLink('v0', { noLinkLocal: true, isolated: true, hairpin: true }),
      setLink('v0', { up: true }),
    ]);
    const peer = findLink(inner, 'eth0');
    expect(peer).toMatchObject({ kind: 'veth', mtu: 1400, up: false });
    if (!peer) return;
    inner.execute([
      setLink(peer.index, { mac: '02:42:0a:01:00:02', up: true }),
      addAddress(peer.index, '10.1.0.2/24'),
      addDefaultRoute('10.1.0.1', peer.index),
    ]);
    expect(findLink(inner, 'eth0')).toMatchObject({ mac: '02:42:0a:01:00:02', up: true });
    expect(listRoutes(inner, AF_INET)).toEqual([
      { destination: '0.0.0.0/0', index: peer.index, gateway: '10.1.0.1', table: 254 },
      { destination: '10.1.0.0/24', index: peer.index, gateway: '', table: 254 },
    ]);
    expect(listLinks(route).find(({ name }) => name === 'v0')?.master).toBe(bridge.index);
    // No link-local addresses on the host's side.
    expect(listAddresses(route)).toEqual([{ index: bridge.index, cidr: '10.1.0.1/24' }]);
    // Again is fine, and so is taking away what is not there.
    route.execute([addAddress(bridge.index, '10.1.0.1/24'), deleteAddress(bridge.index, '10.9.9.9/24')]);
    route.execute([deleteLink('v0'), deleteLink('v0')]);
    expect(findLink(inner, 'eth0')).toBeUndefined();
  } finally {
    inner.close();
    closeFd(namespace);
  }
});

test('a failure names what was tried, with its errno; the others are done', () => {
  const twice = () => route.execute([newBridge('b0'), newBridge('b0'), newBridge('b1')]);
  expect(twice).toThrow('add bridge b0');
  expect(twice).toThrow('EEXIST');
  expect(findLink(route, 'b1')).toBeDefined();
  expect(findLink(route, 'none')).toBeUndefined();
});

test('long lists come whole', () => {
  route.execute(Array.from({ length: 300 }, (_, index) => newBridge(`b${index}`)));
  expect(listLinks(route).filter(({ kind }) => kind === 'bridge').length).toBe(300);
});

test('a monitor hears of links', async () => {
  const RTNLGRP_LINK = 1;
  const RTM_NEWLINK = 16;
  const { promise, resolve } = Promise.withResolvers<NetlinkMessage>();
  const monitor = monitorNetlink(NetlinkProtocol.ROUTE, [RTNLGRP_LINK], (messages) => {
    const found = messages?.find(({ type }) => type === RTM_NEWLINK);
    if (found) resolve(found);
  });
  try {
    route.execute([newBridge('b0')]);
    expect((await promise).payload.readInt32LE(4)).toBe(findLink(route, 'b0')?.index ?? -1);
  } finally {
    monitor.close();
  }
});
