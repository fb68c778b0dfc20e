#include "collect.h"

#include <string.h>

enum { TAG_ROW = 2 };

lam_code lam_collect_group(const lam_comm *comm, const lam_layout *layout, const lam_group *mine,
                           lam_group *whole, lam_error *error) {
    for (size_t v = 0; v < mine->variable_count; v++) {
        const lam_variable *variable = &mine->variables[v];
        if (!lam_variable_has_layer(variable)) continue;
        size_t bytes = (size_t)lam_group_row_count(mine, v) * lam_type_size(variable->type);
        for (int64_t layer = 0; layer < layout->layers; layer++) {
            int lead = layout->lead[lam_layout_owner(layout, layer)];
            if (comm->rank == lead && lead == 0)
                memcpy(lam_group_row(whole, variable->name, layer),
                       lam_group_row(mine, variable->name, layer), bytes);
            else if (comm->rank == lead)
                LAM_TRY(lam_comm_send(comm, lam_group_row(mine, variable->name, layer), bytes, 0,
                                      TAG_ROW, error));
            else if (comm->rank == 0)
                LAM_TRY(lam_comm_receive(comm, lam_group_row(whole, variable->name, layer), bytes,
                                         lead, TAG_ROW, error));
        }
    }
    return LAM_OK;
}
