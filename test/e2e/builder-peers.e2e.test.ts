// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have it
/**
 * The same Dockerfiles built by Tare, by dockerd 20.10's BuildKit and by buildah: files, modes, owners, times and
 * configurations compared one by one. What differs is in docs/build-differences.md, and nothing else may.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import {
  chmodSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { busyboxTar } from '../support/busybox-image.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { differences, imageContents } from '../support/image-contents.ts';
import { buildah, buildKitOfDockerd, type PeerBuilder } from '../support/peer-builders.ts';

let daemon: TestDaemon;
let place: string;
const peers: PeerBuilder[] = [];
beforeAll(async () => {
  place = mkdtempSync('/var/tmp/tare-peers-');
  daemon = await startDaemon();
  await daemon.ok('tare', ['import', await busyboxTar(), 'peer-base:1']);
  const base = join(place, 'base.tar');
  await daemon.ok('tare', ['save', '-o', base, 'peer-base:1']);
  peers.push(await buildah());
  peers.push(await buildKitOfDockerd());
  for (const peer of peers) await peer.load(base);
}, 180_000);
afterAll(async () => {
  for (const peer of peers) await Promise.resolve(peer[Symbol.asyncDispose]()).catch(console.error);
  await daemon?.stop();
  rmSync(place, { recursive: true, force: true });
}, 120_000);

type Content = string | { readonly mode: number; readonly text: string } | { readonly link: string };

/** What every context holds: modes, links, names, empty things; all of 2001. */
const FILES: Readonly<Record<string, Content>> = {
  plain: 'plain\n',
  script: { mode: 0o755, text: '#!/bin/sh\n' },
  private: { mode: 0o600, text: 'p' },
  'set-id': { mode: 0o4755, text: 's' },
  link: { link: 'plain' },
  dangling: { link: 'nowhere' },
  'a dir/with blank': 'b',
  'dir/one.txt': '1',
  'dir/two.md': '2',
  'dir/sub/three.txt': '3',
  'dir/sub/link': { link: '../one.txt' },
  'ünï/ß': 'u',
  'closed/file': 'c',
  'left-out': 'x',
  '.dockerignore': 'left-out\n**/*.md\n!dir/two.md\n',
};
const STAMP = 1_000_000_000;

function context(dockerfile: string): string {
  const root = mkdtempSync(join(place, 'context-'));
  for (const [name, content] of Object.entries<Content>({ ...FILES, Dockerfile: dockerfile })) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    if (typeof content !== 'string' && 'link' in content) symlinkSync(content.link, path);
    else {
      writeFileSync(path, typeof content === 'string' ? content : content.text);
      chmodSync(path, typeof content === 'string' ? 0o644 : content.mode);
    }
    lutimesSync(path, STAMP, STAMP);
  }
  chmodSync(join(root, 'closed'), 0o710);
  const tar = ['tar', '--sort=name', '--owner=7', '--group=8', '-C', root, '-czf', join(root, 'archive.tgz')];
  Bun.spawnSync([...tar, 'closed', 'dir', 'set-id', 'link']);
  return root;
}

const CASES: ReadonlyArray<[name: string, dockerfile: string, args?: readonly string[]]> = [
  [
    'configuration',
    `FROM peer-base:1
LABEL a=b "c d"="e f"
ENV A=1 B="two words"
ENV C=$A-$B
EXPOSE 80 443/tcp 53/udp
VOLUME /data ["/json"]
USER 1:2
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=2s --retries=2 CMD true
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT ["/bin/echo"]
CMD ["x", "y z"]
ONBUILD RUN echo later
MAINTAINER me <me@example.com>
`,
  ],
  ['shell forms', 'FROM peer-base:1\nENTRYPOINT exec top -b\nCMD echo $HOME\nHEALTHCHECK CMD ["a", "b"]\n'],
  ['entrypoint after a command', 'FROM peer-base:1\nCMD ["a"]\nENTRYPOINT ["b"]\n'],
  [
    'copies',
    `FROM peer-base:1
COPY plain /to-file
COPY plain script /to-dir/
COPY dir /dir
COPY dir/ /dir2/
COPY . /all/
COPY *.txt? dir/*.txt /glob/
COPY link /followed
COPY link script /two/
COPY ["a dir/with blank", "/with blank"]
COPY private set-id /modes/
COPY ünï /ünï
COPY dir/sub /dir/sub
COPY closed /closed
COPY closed /deep/er/closed
`.replace('*.txt? ', ''),
  ],
  [
    'owners and modes of copies',
    `FROM peer-base:1
COPY --chown=7:8 dir /numbers/
COPY --chown=nobody plain /names/
COPY --chown=www-data:daemon plain /both
COPY --chown=9 plain /user-alone
COPY --chmod=640 dir /modes/
ADD --chown=1:2 --chmod=700 script /script
`,
  ],
  [
    'archives',
    `FROM peer-base:1
ADD archive.tgz /unpacked/
ADD archive.tgz plain /with-file/
ADD --chown=1:2 archive.tgz /owned/
ADD --chmod=600 archive.tgz /modes/
COPY archive.tgz /as-it-is/
ADD plain link /plain/
`,
  ],
  [
    'working directories',
    `FROM peer-base:1
WORKDIR /a/b
COPY plain .
COPY plain ./c/
WORKDIR d
RUN pwd > where
USER 5
WORKDIR /of-user
`,
  ],
  [
    'runs',
    `FROM peer-base:1
RUN echo one > /one && mkdir -m 700 /dir && ln -s one /link && ln /one /hard && chown 5:6 /one
RUN rm /bin/awk && rm -r /var/www && mkdir /var/www && echo new > /var/www/index
RUN ["/bin/sh", "-c", "echo $HOME > /home-of-root"]
ARG WHO=nobody
RUN echo "$WHO" > /who
RUN umask > /umask; id -u > /id
USER nobody
RUN id -u > /tmp/id && touch /tmp/mine
`,
    ['--build-arg', 'WHO=somebody'],
  ],
  [
    'stages',
    `FROM peer-base:1 AS one
RUN mkdir /out && echo 1 > /out/one && chmod 600 /out/one && chown 3:4 /out/one
RUN mkdir -m 750 /own && echo 1 > /own/one && chown -R 5:6 /own
FROM peer-base:1 AS never
RUN false
FROM scratch
COPY --from=one /out /out
COPY --from=0 /out/one /two
COPY --from=one --chown=9:9 /out/ /three/
COPY --from=one /own /own
COPY --from=one /own /deep/own/
`,
  ],
  ['of scratch', 'FROM scratch\nCOPY plain /\nENV A=b\nCMD ["/plain"]\n'],
  [
    'a global argument and a target',
    'ARG B=peer-base:1\nFROM $B AS x\nARG B\nENV C=$B\nFROM x\nENV D=1\n',
    ['--target', 'x'],
  ],
  [
    'triggers',
    'FROM peer-base:1 AS base\nONBUILD ENV A=1\nONBUILD COPY plain /of-trigger\nFROM base\nENV B=$A\n',
  ],
  [
    'mounts of runs',
    `FROM peer-base:1 AS x
RUN echo x > /x
FROM peer-base:1
RUN --mount=type=bind,target=/ctx cp /ctx/plain /copied
RUN --mount=type=bind,from=x,source=/x,target=/in/x cat /in/x > /read
RUN --mount=type=cache,target=/cache echo c > /cache/c
RUN --mount=type=tmpfs,target=/scratch echo t > /scratch/t
`,
  ],
];

/** Rows of the page: which difference they explain. */
const ROWS = readFileSync(join(import.meta.dir, '../../docs/build-differences.md'), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, peer, what] = /^\| (\w+) \| `([^`]+)` \|/.exec(line) ?? [];
    return peer !== undefined && what !== undefined ? [{ peer, what, seen: false }] : [];
  });

/** A row's text, in which `*` stands for anything. */
function explains(what: string, difference: string): boolean {
  const source = what.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${source.replaceAll('\\\\\\|', '\\|')}$`).test(difference);
}

test.each(CASES)(
  '%s',
  async (name, dockerfile, args = []) => {
    const directory = context(dockerfile);
    const archive = (of: string): string => join(place, `${of}.tar`);
    await daemon.ok('tare', ['build', '-q', '-t', 'peer:built', ...args, directory]);
    await daemon.ok('tare', ['save', '-o', archive('tare'), 'peer:built']);
    const ours = await imageContents(archive('tare'));
    const found = await Promise.all(
      peers.map(async (peer) => {
        await peer.build(directory, archive(peer.name), args);
        const theirs = await imageContents(archive(peer.name));
        return differences(ours, theirs, peer.layersBySteps).map((what) => ({ peer: peer.name, what }));
      }),
    );
    const unexplained: string[] = [];
    for (const { peer, what } of found.flat()) {
      const row = ROWS.find((each) => each.peer === peer && explains(each.what, what));
      if (row) row.seen = true;
      else unexplained.push(`${peer} ${what}`);
    }
    expect([name, ...unexplained]).toEqual([name]);
  },
  180_000,
);

test('every difference that the page explains is one', () => {
  expect(ROWS.filter(({ seen }) => !seen).map(({ peer, what }) => `${peer} ${what}`)).toEqual([]);
});
