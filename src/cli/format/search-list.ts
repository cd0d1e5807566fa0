import type { Row } from '../../base/template/values.ts';
import type { SearchResult } from '../../wire/registries.ts';
import { type Listing, row } from './listing.ts';
import { ellipsis } from './truncate.ts';

/** Characters of a description that a table shows. */
const DESCRIPTION_LENGTH = 45;

/** The columns of `tare search`. */
export const SEARCH_LISTING: Listing = {
  typeName: '*registry.searchContext',
  headings: {
    Name: 'NAME',
    Description: 'DESCRIPTION',
    StarCount: 'STARS',
    IsOfficial: 'OFFICIAL',
  },
};

export const SEARCH_TABLE = '{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}';

/** A found repository as a row. */
export function searchRow(found: SearchResult, options: { trunc: boolean; json: boolean }): Row {
  const description = found.description.replace(/[\r\n]/g, ' ');
  const yesNo = (value: boolean) => (options.json ? String(value) : value ? '[OK]' : '');
  return row({
    Name: found.name,
    Description: options.trunc ? ellipsis(description, DESCRIPTION_LENGTH) : description,
    StarCount: String(found.star_count),
    IsOfficial: yesNo(found.is_official),
  });
}
