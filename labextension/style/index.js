import './base.css';
import './cells.css';
import './outputs.css';
