import { expect, test } from 'bun:test';
import type { ImageSummary, ManifestSummary } from '../../wire/images.ts';
import { imageTree } from './image-tree.ts';

function manifest(digit: string, architecture: string, variant?: string, here = false): ManifestSummary {
  const digest = `sha256:${digit.repeat(64)}`;
  return {
    ID: digest,
    Descriptor: { mediaType: '', digest, size: 1 },
    Available: here,
    Size: here ? { Content: 1530, Total: 501530 } : { Content: 0, Total: 0 },
    Kind: 'image',
    ImageData: {
      Platform: { os: 'linux', architecture, ...(variant ? { variant } : {}) },
      Containers: here ? ['c'] : [],
      Size: { Unpacked: 500000 },
    },
  };
}

function image(RepoTags: string[], Manifests: ManifestSummary[] = []): ImageSummary {
  const base = { ParentId: '', RepoDigests: [], Created: 1, SharedSize: -1, Labels: null };
  return { Id: `sha256:${'a'.repeat(64)}`, RepoTags, Size: 5e5, Containers: 0, Manifests, ...base };
}

const multi = image(
  ['a:1', 'other/name:2'],
  [manifest('1', 'amd64', undefined, true), manifest('2', 'arm64', 'v8')],
);

/** As `docker image ls --tree` of version 28 prints it, less its warning that this is an experiment. */
test('in a pipe', () => {
  expect(imageTree([multi, image(['plain:1'])], { width: 80, colours: false })).toBe(
    [
      '                                                              Info ->  U In Use',
      '',
      'IMAGE               ID             DISK USAGE   CONTENT SIZE   EXTRA',
      'other/name:2',
      'a:1                 aaaaaaaaaaaa        500kB         1.53kB   U    ',
      '├─ linux/amd64      111111111111        502kB         1.53kB   U    ',
      '└─ linux/arm64/v8   222222222222           0B             0B        ',
      '',
      'plain:1             aaaaaaaaaaaa        500kB             0B        ',
      '',
      '',
    ].join('\n'),
  );
});

test('without platforms there is no line between images; the nameless are marked', () => {
  const lines = imageTree([image([]), image(['b:1'])], { width: 80, colours: false }).split('\n');
  expect(lines.slice(3)).toEqual([
    '<untagged>   aaaaaaaaaaaa        500kB             0B        ',
    'b:1          aaaaaaaaaaaa        500kB             0B        ',
    '',
  ]);
});

test('a narrow terminal has fewer columns and shorter names', () => {
  const lines = imageTree([multi, image(['a/very/long/name/of/an/image:1'])], {
    width: 44,
    colours: true,
  }).split('\n');
  expect(lines.slice(2).map((line) => Bun.stripANSI(line))).toEqual([
    'IMAGE              ID             DISK USAGE',
    'other/name:2',
    'a:1                aaaaaaaaaaaa        500kB',
    '├─ linux/amd64     111111111111        502kB',
    '└─ linux/arm64/…   222222222222           0B',
    '',
    'a/very/long/nam…   aaaaaaaaaaaa        500kB',
    '',
    '',
  ]);
});

test('colours on a terminal: names, what is not here, the mark', () => {
  const lines = imageTree([multi], { width: 80, colours: true }).split('\n');
  expect(lines[3]).toBe('\x1b[34m\x1b[1mother/name:2\x1b[0m');
  expect(lines[5]).toContain('\x1b[38;5;0m\x1b[48;5;14m U \x1b[0m');
  expect(lines[6]).toStartWith('\x1b[39m\x1b[2m└─ linux/arm64/v8\x1b[0m');
});
