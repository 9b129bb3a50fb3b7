// Events, newest first, and what `weft doctor` last found.
import type { ActivityV1, DoctorReportV1, EventV1, FindingV1 } from '../../../api/index.ts';
import { clockTime, duration } from '../text.ts';
import { element, find, setText } from './elements.ts';

let newest = -1;
let reported = '';

export function showActivity({ events, doctor }: ActivityV1): void {
  showEvents(events);
  showFindings(doctor);
}

/** Those that are new are put before the others, which stay: the reader keeps their place. */
function showEvents(events: readonly EventV1[]): void {
  const list = find('events');
  const last = events.at(-1)?.sequence ?? 0;
  // A daemon that started again counts from 1.
  if (last < newest) list.replaceChildren();
  const before = last < newest ? -1 : newest;
  const fresh = events.filter(({ sequence }) => sequence > before).toReversed();
  if (fresh.length > 0) list.querySelector('.none')?.remove();
  list.prepend(...fresh.map(eventItem));
  while (list.childElementCount > events.length && list.childElementCount > 1)
    list.lastElementChild!.remove();
  if (list.childElementCount === 0) list.append(element('li', { class: 'none soft' }, 'None yet.'));
  newest = last;
}

function eventItem({ at, level, message, fields }: EventV1): HTMLElement {
  const time = new Date(at);
  const details = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return element(
    'li',
    {},
    element('time', { datetime: at, title: time.toLocaleString() }, clockTime(time)),
    element('span', { class: level }, level),
    element('span', {}, message, ' ', element('span', { class: 'soft' }, details.join(' '))),
  );
}

function showFindings(doctor: DoctorReportV1 | undefined): void {
  const section = find('findings');
  section.hidden = doctor === undefined;
  if (doctor === undefined) return;
  const age = duration(Date.now() - Date.parse(doctor.at));
  setText(
    find('findings-age'),
    doctor.findings.length === 0
      ? `Nothing, ${age} ago.`
      : `${age} ago, on this host. Run weft doctor for the present state.`,
  );
  if (reported === doctor.at) return;
  reported = doctor.at;
  section.querySelector('ul')!.replaceChildren(...doctor.findings.map(findingItem));
}

function findingItem({ severity, title, evidence, impact, fix, check }: FindingV1): HTMLElement {
  return element(
    'li',
    {},
    element('strong', { class: severity }, severity),
    ` ${title} `,
    element('span', { class: 'soft' }, `(${check})`),
    ...evidence.map((line) => element('div', { class: 'soft' }, line)),
    element('div', {}, `Impact: ${impact}`),
    element('pre', {}, fix),
  );
}
