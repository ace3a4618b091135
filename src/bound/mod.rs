//! What no placement of a layer can be better than: [`lower`] takes the best of the bounds, which [`water_level`] (by
//! the slots that replicas need) and [`weights`] (by weighing GPUs, of uneven slots and speeds) prove. What no
//! assignment of groups can be better than is proved where groups are searched, in `groups`.

pub mod filled;
pub mod lower;
pub mod seconds;
pub mod water_level;
pub mod weights;
