import { describe, expect, test } from 'bun:test';
import type { ContainerRow } from '../../store/tables/containers.ts';
import { ContainerSet } from './container-set.ts';
import { INITIAL_STATE } from './lifecycle.ts';
import type { Container } from './model.ts';

function rows(): { all: () => ContainerRow[] } & Record<
  'insert' | 'update' | 'updateRunning',
  (row: ContainerRow) => void
> & {
    delete: (id: string) => void;
  } {
  const map = new Map<string, ContainerRow>();
  return {
    insert: (row) => void map.set(row.id, row),
    update: (row) => void map.set(row.id, row),
    updateRunning: (row) => void map.set(row.id, row),
    delete: (id) => void map.delete(id),
    all: () => [...map.values()],
  };
}

function container(id: string, name: string): Container {
  return { id, name, createdAt: Number.parseInt(id.slice(0, 4), 16), state: INITIAL_STATE } as Container;
}

const A = `ab${'0'.repeat(62)}`;
const B = `ac${'0'.repeat(62)}`;

describe('ContainerSet', () => {
  test('tells of changes of names, addresses and life, and of no others', () => {
    const set = new ContainerSet(rows());
    set.add(container(A, 'one'));
    const changes = (body: () => void): boolean => {
      const before = set.namesVersion;
      body();
      return set.namesVersion !== before;
    };
    expect(changes(() => set.updateState(A, { status: 'running' }))).toBe(true);
    const health = { status: 'healthy' as const, failingStreak: 0, log: [] };
    expect(changes(() => set.note(A, { health }))).toBe(false);
    expect(changes(() => set.updateState(A, { status: 'paused' }))).toBe(false);
    expect(changes(() => set.update(A, { endpoints: [] }))).toBe(true);
    expect(changes(() => set.update(A, { name: 'two' }))).toBe(true);
    expect(changes(() => set.record(A, { ports: [] }))).toBe(false);
    expect(changes(() => set.updateState(A, { status: 'exited' }))).toBe(true);
    expect(changes(() => set.remove(A))).toBe(true);
  });

  test('finds by id, name, slash name and unique prefix', () => {
    const set = new ContainerSet(rows());
    set.add(container(A, 'one'));
    set.add(container(B, 'two'));
    expect(set.get(A).name).toBe('one');
    expect(set.get('two').id).toBe(B);
    expect(set.get('/two').id).toBe(B);
    expect(set.get('ab').id).toBe(A);
    expect(() => set.get('a')).toThrow('multiple IDs found with provided prefix: a');
    expect(() => set.get('nope')).toThrow('No such container: nope');
    expect(set.list().map((entry) => entry.name)).toEqual(['two', 'one']);
    set.add({ ...container(`ad${'0'.repeat(62)}`, 'three'), createdAt: set.get(B).createdAt });
    expect(set.list().map((entry) => entry.name)).toEqual(['three', 'two', 'one']);
  });

  test('a name is free again after release, removal or rename', () => {
    const set = new ContainerSet(rows());
    set.reserveName('x', A);
    expect(() => set.reserveName('x', B)).toThrow(
      `Conflict. The container name "/x" is already in use by container "${A}"`,
    );
    set.add(container(A, 'x'));
    expect(() => set.reserveName('x', B)).toThrow('already in use');
    set.update(A, { name: 'y' });
    set.reserveName('x', B);
    set.releaseName('x');
    set.remove(A);
    set.reserveName('y', B);
  });

  test('a new set reads what an old one wrote', () => {
    const table = rows();
    const set = new ContainerSet(table);
    set.add(container(A, 'kept'));
    set.updateState(A, { exitCode: 7, status: 'exited' });
    expect(new ContainerSet(table).get('kept').state).toMatchObject({ exitCode: 7, status: 'exited' });
  });
});

test('a damaged row stops the daemon, with its name', () => {
  const row = { id: 'a1', name: 'hurt', createdAt: 1, document: '{garbage' };
  const rows = { insert() {}, update() {}, updateRunning() {}, delete() {}, all: () => [row] };
  expect(() => new ContainerSet(rows)).toThrow('the row of container hurt (a1) in the database is damaged');
});
