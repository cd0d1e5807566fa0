import { cleanPath } from './go-paths.ts';

/**
 * The patterns of a `.dockerignore` file, one a line, as Docker reads them: lines that begin with `#` are comments,
 * space around a pattern is dropped, paths are cleaned, and a leading slash means the same as none.
 */
export function readIgnoreFile(text: string): string[] {
  const patterns: string[] = [];
  for (const line of text.replace(/^\uFEFF/, '').split('\n')) {
    if (line.startsWith('#')) continue;
    const trimmed = line.trim();
    if (trimmed === '') continue;
    const exception = trimmed.startsWith('!');
    const path = exception ? trimmed.slice(1).trim() : trimmed;
    const cleaned = path === '' ? '' : cleanPath(path);
    const relative = cleaned.length > 1 && cleaned.startsWith('/') ? cleaned.slice(1) : cleaned;
    patterns.push(exception ? `!${relative}` : relative);
  }
  return patterns;
}
