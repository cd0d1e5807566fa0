import { beforeEach, describe, expect, test } from 'bun:test';
import { ImageIndex, type ImageRows } from './image-index.ts';
import { ImageRemover, type ImageUser } from './image-remover.ts';

const A = `sha256:aa${'0'.repeat(62)}`;
const B = `sha256:ab${'0'.repeat(62)}`;
const CONFIG = JSON.stringify({
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [] },
});
const noRows: ImageRows = { apply() {}, images: () => [], names: () => [] };

let index: ImageIndex;
let remover: ImageRemover;
let users: ImageUser[];
let events: string[];

function add(id: string, tags: string[], digests: string[] = []): void {
  index.add({ id, configText: CONFIG, size: 1, parent: '', blobs: [], tags, digests });
}

beforeEach(() => {
  users = [];
  events = [];
  index = new ImageIndex(noRows);
  remover = new ImageRemover({
    index,
    usersOf: () => users,
    events: {
      emit: (event) => void events.push(`${event.action} ${event.attributes.name}`),
      subscribe: () => () => {},
    },
  });
});

describe('ImageIndex', () => {
  test('finds by name, by digest, by id and by prefix', () => {
    add(A, ['docker.io/library/x:latest', 'localhost:5000/y:1'], [`docker.io/library/x@${B}`]);
    add(B, []);
    for (const ref of ['x', 'x:latest', 'docker.io/x', 'localhost:5000/y:1', `x@${B}`, A, A.slice(7), 'aa']) {
      expect(index.find(ref)?.id).toBe(A);
    }
    expect(index.find('a')).toBeUndefined();
    expect(index.find('x:2')).toBeUndefined();
    expect(() => index.get('nope')).toThrow('No such image: nope:latest');
    expect(() => index.find('UPPER')).toThrow('must be lowercase');
    expect(index.get(A).repoTags).toEqual(['x:latest', 'localhost:5000/y:1']);
  });

  test('a tag moves to the image that got it last', () => {
    add(A, ['docker.io/library/x:latest']);
    add(B, ['docker.io/library/x:latest']);
    expect(index.get('x').id).toBe(B);
    expect(index.get(A).repoTags).toEqual([]);
  });
});

describe('ImageRemover', () => {
  test('a name of several is only untagged; the last one deletes', () => {
    add(A, ['docker.io/library/x:1', 'docker.io/library/x:2']);
    expect(remover.remove('x:1', false)).toEqual([{ untagged: 'x:1' }]);
    expect(remover.remove('x:2', false)).toEqual([{ untagged: 'x:2' }, { deleted: A }]);
    expect(index.find(A)).toBeUndefined();
    expect(events).toEqual(['untag x:1', 'untag x:2', `delete ${A}`]);
  });

  test('digest names go with the last tag of their repository', () => {
    add(A, ['docker.io/library/x:1'], [`docker.io/library/x@${B}`]);
    expect(remover.remove('x:1', false)).toEqual([
      { untagged: 'x:1' },
      { untagged: `x@${B}` },
      { deleted: A },
    ]);
  });

  test('by id: several names want force', () => {
    add(A, ['docker.io/library/x:1', 'docker.io/library/y:1']);
    expect(() => remover.remove('aa', false)).toThrow('image is referenced in multiple repositories');
    expect(remover.remove('aa', true)).toHaveLength(3);
  });

  test('containers are in the way', () => {
    add(A, ['docker.io/library/x:1']);
    users = [{ id: 'c'.repeat(64), running: false }];
    expect(() => remover.remove('x:1', false)).toThrow(
      'conflict: unable to remove repository reference "x:1" (must force) - container cccccccccccc is using its referenced image aa0000000000',
    );
    expect(() => remover.remove('aa', false)).toThrow(
      '(must be forced) - image is being used by stopped container',
    );
    users = [{ id: 'c'.repeat(64), running: true }];
    expect(() => remover.remove('aa', true)).toThrow(
      '(cannot be forced) - image is being used by running container',
    );
    expect(remover.remove('x:1', true)).toEqual([{ untagged: 'x:1' }]);
    expect(index.find(A)?.id).toBe(A);
  });
});
