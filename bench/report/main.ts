// `weft bench report`: from files of results to files for people.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { progress } from '../progress.ts';
import { readRecord } from '../record.ts';
import type { ReportArgs } from '../args.ts';
import { formatReport } from './html.ts';
import { drawPicture } from './picture.ts';
import { fillTables } from './tables.ts';
import { requireUnmixed } from './emulated.ts';

/** @returns the exit code. @throws Error naming a file that is no record. */
export async function writeReport({ files, out, picture, pages }: ReportArgs): Promise<number> {
  const records = await Promise.all(files.map(readRecord));
  requireUnmixed(records, pages);
  await write(out, formatReport(records));
  if (picture !== undefined) await write(picture, drawPicture(records));
  for (const page of pages) await write(page, fillTables(await readFile(page, 'utf8'), records));
  return 0;
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  progress(`wrote ${file}`);
}
