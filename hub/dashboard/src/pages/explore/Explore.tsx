import { useRoute } from '../../shell/route';
import { TypeDetail } from './TypeDetail';
import { TypeList } from './TypeList';

/** From type to source to raw readings, two clicks. */
export function Explore() {
  const { parameters } = useRoute();
  const type = parameters.get('type');
  return type ? <TypeDetail key={type} type={type} source={parameters.get('source')} /> : <TypeList />;
}
