import { hub } from '../../api/hub';
import { BigChart } from '../../chart/BigChart';
import { plural } from '../../format/number';
import { useRange } from '../../shell/rangeAddress';
import { useRoute } from '../../shell/route';
import { useFetched, useShown } from '../../store/hooks';
import { Breadcrumb } from './Breadcrumb';
import { GatewayPanel } from './GatewayPanel';
import { GranularityPicker } from './GranularityPicker';
import { Readings } from './Readings';
import { Sources } from './Sources';
import { offeredGranularities } from './granularity';

/** A type, or one of its sources: chart, sources or gateway, raw readings. */
export function TypeDetail({ type, source }: { type: string; source: string | null }) {
  const { parameters } = useRoute();
  const range = useRange();
  const summary = useShown((state) => state.summary?.find((known) => known.type === type));
  const isUnknown = useShown((state) => state.summary !== null && !state.summary.some((known) => known.type === type));
  const { chosen, offered } = offeredGranularities(range.span, parameters.get('by'));
  const { data } = useFetched(`entry ${type} ${source ?? ''}`, async (signal) =>
    source ? hub.series({ type, source, limit: 1 }, signal) : undefined,
  );
  const entry = data?.series.find((known) => known.source === source);
  const unit = entry?.labels?.['unit'] ?? summary?.unit ?? null;

  return (
    <>
      <Breadcrumb type={type} source={source} />
      {isUnknown && (
        <div className="fault-banner" role="alert">
          No reading of type <b>{type}</b> is known. The page stays open and shows the first one.
        </div>
      )}
      <section className="panel" aria-label={`Chart of ${type}`}>
        <div className="head">
          <h2>{source ?? type}</h2>
          <span className="muted">
            {unit}
            {unit && !source && ' · '}
            {!source && summary && plural(summary.sources, 'source')}
          </span>
          <span className="spacer" />
          <GranularityPicker chosen={chosen} offered={offered} />
        </div>
        <BigChart key={source} type={type} source={source} unit={unit} granularity={chosen} range={range} />
      </section>
      <div className="two">
        {source ? <GatewayPanel type={type} source={source} entry={entry} /> : <Sources type={type} />}
        <Readings type={type} source={source} range={range} />
      </div>
    </>
  );
}
