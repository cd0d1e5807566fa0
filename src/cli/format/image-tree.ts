import type { ImageSummary } from '../../wire/images.ts';
import { humanSize } from './size.ts';
import { ellipsis, truncateId } from './truncate.ts';

/** How the tree is drawn. */
export interface TreeStyle {
  /** Characters of a line. */
  readonly width: number;
  /** On a terminal: with colours. */
  readonly colours: boolean;
}

interface Details {
  readonly id: string;
  readonly usage: string;
  readonly content: string;
  readonly inUse: boolean;
}

interface Branch extends Details {
  readonly platform: string;
  readonly available: boolean;
}

interface TreeImage extends Details {
  readonly names: readonly string[];
  readonly branches: readonly Branch[];
}

interface Column {
  readonly title: string;
  readonly width: number;
  readonly right?: true;
  readonly value: (details: Details, style: TreeStyle) => string;
}

const SPACING = 3;
/** The narrowest first column; columns after it go when it would be narrower. */
const NARROWEST = 12;

const COLUMNS: readonly Column[] = [
  { title: 'ID', width: 12, value: ({ id }) => truncateId(id) },
  { title: 'DISK USAGE', width: 10, right: true, value: ({ usage }) => usage },
  { title: 'CONTENT SIZE', width: 12, right: true, value: ({ content }) => content },
  { title: 'EXTRA', width: 5, value: ({ inUse }, style) => (inUse ? chip(style) : '') },
];

/** Select Graphic Rendition sequences of ECMA-48. */
const NORMAL = '\x1b[39m';
const STRONG = '\x1b[39m\x1b[1m';
const NAME = '\x1b[34m\x1b[1m';
const FAINT = '\x1b[39m\x1b[2m';
const RESET = '\x1b[0m';

/**
 * Images as a tree with the platforms of each, as `docker image ls --tree` draws it: the details of an image stand
 * with its shortest name.
 */
export function imageTree(summaries: readonly ImageSummary[], style: TreeStyle): string {
  const images = summaries.map(treeImage);
  const { first, columns } = fit(images, style.width);
  const paint = (colour: string, text: string): string =>
    style.colours && text !== '' ? `${colour}${text}${RESET}` : text;
  const cells = (colour: string, details: Details): string =>
    columns
      .map((column) => {
        const value = column.value(details, style);
        return `${' '.repeat(SPACING)}${pad(value, column, (text) => paint(colour, text))}`;
      })
      .join('');
  const left = { title: '', width: first, value: () => '' };
  const lines = [legend(style), ''];
  const titles = columns.map(
    (one) => ' '.repeat(SPACING) + pad(one.title, one, (text) => paint(STRONG, text)),
  );
  lines.push(pad('IMAGE', left, (text) => paint(STRONG, text)) + titles.join(''));
  const spaced = images.some(({ branches }) => branches.length > 0);
  for (const image of images) {
    const names = image.names.length > 0 ? image.names : ['<untagged>'];
    for (const name of names.slice(0, -1)) lines.push(paint(NAME, name));
    const colour = image.names.length > 0 ? NAME : FAINT;
    lines.push(pad(names.at(-1) ?? '', left, (text) => paint(colour, text)) + cells(NORMAL, image));
    for (const [at, branch] of image.branches.entries()) {
      const twig = at === image.branches.length - 1 ? '└─ ' : '├─ ';
      const shade = branch.available ? NORMAL : FAINT;
      lines.push(pad(twig + branch.platform, left, (text) => paint(shade, text)) + cells(shade, branch));
    }
    if (spaced) lines.push('');
  }
  return `${lines.join('\n')}\n`;
}

function treeImage(summary: ImageSummary): TreeImage {
  const branches = (summary.Manifests ?? []).flatMap((manifest): Branch[] => {
    const { ImageData: data } = manifest;
    if (manifest.Kind !== 'image' || data === undefined) return [];
    const { os, architecture, variant } = data.Platform;
    return [
      {
        id: manifest.ID,
        usage: humanSize(manifest.Size.Total, 3),
        content: humanSize(manifest.Size.Content, 3),
        inUse: data.Containers.length > 0,
        platform: [os, architecture, ...(variant ? [variant] : [])].join('/'),
        available: manifest.Available,
      },
    ];
  });
  const content = (summary.Manifests ?? []).reduce(
    (sum, { Kind, Size }) => sum + (Kind === 'image' ? Size.Content : 0),
    0,
  );
  return {
    id: summary.Id,
    usage: humanSize(summary.Size, 3),
    content: humanSize(content, 3),
    inUse: summary.Containers > 0 || branches.some(({ inUse }) => inUse),
    names: [...(summary.RepoTags ?? [])].sort((a, b) => b.length - a.length),
    branches,
  };
}

/** The width of the first column, and the columns after it for which there is room. */
function fit(images: readonly TreeImage[], width: number): { first: number; columns: readonly Column[] } {
  let left = width;
  let count = 0;
  for (const column of COLUMNS) {
    const needs = column.width + SPACING;
    if (left - needs < NARROWEST) break;
    left -= needs;
    count++;
  }
  const texts = images.flatMap(({ names, branches }) => [
    ...(names.length > 0 ? names : ['<untagged>']),
    ...branches.map(({ platform }) => `└─ ${platform}`),
  ]);
  const widest = Math.max('IMAGE'.length, ...texts.map((text) => text.length));
  return { first: Math.min(left, widest), columns: COLUMNS.slice(0, count) };
}

function pad(
  text: string,
  { width, right }: Pick<Column, 'width' | 'right'>,
  paint: (text: string) => string,
): string {
  const length = Bun.stringWidth(text);
  const shown = length > width ? ellipsis(text, width) : text;
  const fill = ' '.repeat(Math.max(0, width - length));
  return right ? fill + paint(shown) : paint(shown) + fill;
}

function chip({ colours }: TreeStyle): string {
  return colours ? `\x1b[38;5;0m\x1b[48;5;14m U ${RESET}` : 'U';
}

/** What the mark means, at the right end of the line. */
function legend(style: TreeStyle): string {
  const text = style.colours
    ? `\x1b[1m\x1b[106m\x1b[30mi${RESET} \x1b[96mInfo →${RESET}  ${chip(style)} In Use`
    : `Info ->  ${chip(style)} In Use`;
  return ' '.repeat(Math.max(0, style.width - Bun.stringWidth(text) - 1)) + text;
}
